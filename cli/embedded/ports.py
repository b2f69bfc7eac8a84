"""The ports of one embedded stack, each moved by one variable."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields

from cli.failure import CommandError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Port:
    what: str
    variable: str
    number: int


@dataclass(frozen=True, slots=True)
class Ports:
    api: Port
    postgres: Port
    temporal: Port
    temporal_ui: Port
    sandbox: Port
    worker_health: Port

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Ports":
        """From the environment or the defaults. A `CommandError` names a variable that is no port, or is used twice."""
        ports = cls(
            api=_port(environ, "the API", "HASP_API_PORT", 8080),
            postgres=_port(environ, "PostgreSQL", "HASP_POSTGRES_PORT", 15432),
            temporal=_port(environ, "Temporal", "HASP_TEMPORAL_PORT", 7233),
            temporal_ui=_port(environ, "Temporal's UI", "HASP_TEMPORAL_UI_PORT", 8233),
            sandbox=_port(environ, "the sandbox", "HASP_SANDBOX_PORT", 8090),
            worker_health=_port(environ, "the worker's health", "HASP_WORKER_HEALTH_PORT", 8081),
        )
        ports._check_distinct()
        return ports

    def check_free(self) -> None:
        """Fail with one line that names the first port that something else listens on."""
        for port in self._all():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what is in TIME_WAIT is free
                try:
                    probe.bind((LOOPBACK, port.number))
                except OSError as failure:
                    raise CommandError(
                        f"port {port.number} for {port.what} is not free ({failure.strerror}):"
                        f" stop what uses it, or set {port.variable} to another"
                    ) from None

    def _all(self) -> list[Port]:
        return [getattr(self, field.name) for field in fields(self)]

    def _check_distinct(self) -> None:
        seen: dict[int, str] = {}
        for port in self._all():
            if other := seen.get(port.number):
                raise CommandError(f"{other} and {port.variable} are both {port.number}: give each its own port")
            seen[port.number] = port.variable


def _port(environ: Mapping[str, str], what: str, variable: str, default: int) -> Port:
    text = environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise CommandError(f"{variable} is not a port number (1 to 65535)", exit_code=2)
    return Port(what, variable, int(text))
