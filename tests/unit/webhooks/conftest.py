import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509

from tests.certificates import Authority
from tests.unit.webhooks.internet import NAME, Internet


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("Everybody's")


@pytest.fixture(scope="session")
def trusting(authority: Authority) -> ssl.SSLContext:
    """TLS of a sender that knows `authority` and nobody else."""
    return ssl.create_default_context(cadata=authority.root.decode())


@pytest.fixture(scope="session")
def receiving(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """TLS of the receiver whose name is `NAME`."""
    return authority.identity(of=x509.DNSName(NAME)).context(_folder(tmp_path_factory))


@pytest_asyncio.fixture
async def internet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Internet]:
    internet = Internet()
    internet.take_over(monkeypatch)
    async with internet.private_side():
        yield internet


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("receiver")
