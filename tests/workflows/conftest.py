"""A client of the time-skipping server that encrypts as production does."""

import uuid

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from workflows import codec

KEYS = {1: bytes(range(32))}


def encrypting(client: Client, keys: dict[int, bytes]) -> Client:
    """The same connection, clock and namespace with our converter."""
    config = client.config()
    config["data_converter"] = codec.data_converter(keys, client.namespace)
    config["header_codec_behavior"] = codec.HEADERS
    return Client(**config)


@pytest.fixture
def client(temporal_env: WorkflowEnvironment) -> Client:
    return encrypting(temporal_env.client, KEYS)


@pytest.fixture
def task_queue() -> str:
    return f"test-{uuid.uuid4()}"
