"""The connection to Temporal, with encryption on."""

import os
import socket
from collections.abc import Mapping
from functools import cache

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, LoggingFormat, Runtime, TelemetryConfig, TelemetryFilter

from gateway.settings import Settings
from workflows import codec


async def connect(settings: Settings, keys: Mapping[int, bytes], *, part: str) -> Client:
    """A client of the configured namespace; `part` ("worker", "api") begins its identity, which histories show.

    Raises `RuntimeError` while Temporal cannot be reached.
    """
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        identity=f"{part}/{os.getpid()}@{socket.gethostname()}",
        data_converter=codec.data_converter(keys, settings.temporal_namespace),
        header_codec_behavior=codec.HEADERS,
        runtime=_runtime(),
    )


@cache
def _runtime() -> Runtime:
    """One per process: it owns threads. Its warnings become JSON lines, as all our logs are."""
    warnings = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), format=LoggingFormat.JSON)
    return Runtime(telemetry=TelemetryConfig(logging=warnings))
