"""What every ring shares: real servers, a database of its own for each test, and time that tests own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from storage.keyring import create_keyring
from storage.migrate import APP_ROLE, migrate

pytest_plugins = ["tests.embedded", "tests.valkey", "tests.running_stack", "tests.upstream", "tests.internet"]

_APP_PASSWORD = "only-for-tests"


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database. The application's role has only its own rights there."""

    owner_url: str
    app_url: str


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> str:
    """The name of a migrated database to copy."""
    name = "hasp_template"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')  # pyright: ignore[reportArgumentType, reportCallIssue]
    owner = _at(postgres_server, name)
    migrate(
        Settings(
            database_url=_as_app(owner),  # pyright: ignore[reportArgumentType] - pydantic parses it
            database_owner_url=owner,  # pyright: ignore[reportArgumentType]
            keyring_file=Path("unused"),
        )
    )
    return name


@pytest.fixture
def database(postgres_server: str, template_database: str) -> Iterator[Database]:
    name = f"test_{new_ulid().lower()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(
            f'create database "{name}" template "{template_database}" strategy file_copy'  # pyright: ignore[reportArgumentType, reportCallIssue]
        )
    owner = _at(postgres_server, name)
    yield Database(owner, _as_app(owner))
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')  # pyright: ignore[reportArgumentType, reportCallIssue]


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    keyring = tmp_path / "keyring.json"
    create_keyring(keyring)
    return Settings(
        database_url=database.app_url,  # pyright: ignore[reportArgumentType] - pydantic parses it
        database_owner_url=database.owner_url,  # pyright: ignore[reportArgumentType]
        keyring_file=keyring,
    )


@pytest_asyncio.fixture
async def storage(settings: Settings) -> AsyncIterator[Storage]:
    opened = await Storage.open(settings)
    yield opened
    await opened.close()


def _at(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def _as_app(url: str) -> str:
    return make_url(url).set(username=APP_ROLE, password=_APP_PASSWORD).render_as_string(hide_password=False)
