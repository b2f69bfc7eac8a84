"""Brings a database to this version's schema, and the application's role to its few rights."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import make_url

from gateway.audit import AuditAction
from gateway.ids import PLATFORM
from gateway.settings import Settings
from storage import platform_log
from storage.tables import Row

APP_ROLE = "hasp_app"
"""The group role every process runs as: it can neither change the schema nor the audit log."""

ALONE = "0007"
"""Processes from before it would keep the books in the old way beside the new: none may be there when it comes."""

_PROCESSES = """
select count(*) from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
where a.datname = current_database() and not r.rolsuper and pg_has_role(r.oid, 'hasp_app', 'member')
"""

_EXTENSION_TO_COME = "select 1 from pg_available_extensions where name = 'vector' and installed_version is null"

_TOLD = """
select metadata ->> 'to' from audit_entries where org_id = %s and action = %s order by id desc limit 1
"""

_LOCK = 0x48415350  # "HASP": two migrations at once would race each other's DDL
_FOLDER = Path(__file__).parent / "migrations"


class StillRunningError(Exception):
    """Processes of an earlier version would go on writing what this version reads otherwise."""


def migrate(settings: Settings, *, by: str | None = None) -> None:
    """Upgrade to head and let the user of `HASP_DATABASE_URL` act as `hasp_app`. Safe to run twice, also at once.

    `by` is who is at the command line, if anybody is: then the platform's audit log tells of another schema.

    Raises:
        ValueError: no owner's URL is configured.
        StillRunningError: there is a migration to come that needs every process stopped, and one is connected.
    """
    if settings.database_owner_url is None:
        raise ValueError("HASP_DATABASE_OWNER_URL is not set")
    owner_url = str(settings.database_owner_url)
    _require_alone(owner_url)
    upgrade(owner_url)
    _extend(owner_url)
    login = make_url(str(settings.database_url))
    _admit(owner_url, login.username or APP_ROLE, login.password)
    if by is not None:
        _audit(owner_url, by)


def upgrade(owner_url: str, revision: str = "head") -> None:
    """Run the migrations up to `revision`."""
    with _locked(owner_url) as connection:
        if revision == "head" and _current(connection) == _config(connection)[1].get_current_head():
            return
        command.upgrade(_config(connection)[0], revision)


def downgrade(owner_url: str, revision: str = "base") -> None:
    """Run the migrations back down to `revision`; loses what the dropped columns and tables held."""
    with _locked(owner_url) as connection:
        command.downgrade(_config(connection)[0], revision)


def drift(owner_url: str) -> list[str]:
    """How the database differs from the tables in code; empty when it does not."""
    with _locked(owner_url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return [str(difference) for difference in compare_metadata(context, Row.metadata)]


class _locked:  # noqa: N801 - reads as the verb it is: with _locked(url)
    """A connection that holds the migration lock while its block runs, and commits after it."""

    def __init__(self, owner_url: str) -> None:
        self._engine = create_engine(make_url(owner_url).set(drivername="postgresql+psycopg"))

    def __enter__(self) -> Connection:
        self._connection = self._engine.connect()
        self._connection.exec_driver_sql(f"select pg_advisory_lock({_LOCK})")
        self._connection.commit()
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._connection.commit()
        self._connection.close()
        self._engine.dispose()


def _config(connection: Connection) -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config, ScriptDirectory.from_config(config)


def _require_alone(owner_url: str) -> None:
    with _locked(owner_url) as connection:
        current = _current(connection)
        if current is not None and current < ALONE and connection.exec_driver_sql(_PROCESSES).scalar_one():
            raise StillRunningError


def _current(connection: Connection) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return current


def _extend(owner_url: str) -> None:
    """Have pgvector where it is installed and the owner may have it: without it, files are found by words alone."""
    with psycopg.connect(_libpq(owner_url), autocommit=True) as connection:
        if connection.execute(_EXTENSION_TO_COME).fetchone():
            with suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute("create extension if not exists vector")


def _admit(owner_url: str, user: str, password: str | None) -> None:
    """Let `user` log in and act as the application's role."""
    with psycopg.connect(_libpq(owner_url), autocommit=True) as connection:
        exists = connection.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone()
        verb = sql.SQL("alter role {} login") if exists else sql.SQL("create role {} login")
        connection.execute(verb.format(sql.Identifier(user)))
        if password:
            connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(user), sql.Literal(password)))
        if user != APP_ROLE:
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(APP_ROLE), sql.Identifier(user)))


def _audit(owner_url: str, by: str) -> None:
    """Tell of the schema there is, unless that was told: whoever is killed before it tells the next time."""
    with _locked(owner_url) as locked:
        current = _current(locked)
        with psycopg.connect(_libpq(owner_url)) as connection:
            told = connection.execute(_TOLD, [PLATFORM, AuditAction.DATABASE_MIGRATED]).fetchone()
            before = told[0] if told else None
            if current != before:
                change = {"from": before, "to": current}
                entry = (AuditAction.DATABASE_MIGRATED, "installation", PLATFORM, by, datetime.now(UTC), change)
                connection.execute(platform_log.WRITE, platform_log.values(*entry))


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
