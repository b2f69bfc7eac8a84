"""When a database may be migrated."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from gateway.ids import new_ulid
from gateway.settings import Settings
from storage.migrate import APP_ROLE, StillRunningError, downgrade, drift, migrate
from tests.conftest import Database


@pytest.fixture
def before_books(settings: Settings, database: Database) -> Settings:
    downgrade(database.owner_url, "0006")
    return settings.model_copy(update={"database_url": database.app_url, "database_owner_url": database.owner_url})


@pytest.fixture
def plain_owner(database: Database) -> Iterator[str]:
    """The URL of a role that may do what an owner has to, and is no superuser."""
    name = f"plain_{new_ulid().lower()}"
    url = make_url(database.owner_url)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for each in (
            "drop extension vector",
            f"create role {name} login createrole password 'only-for-tests'",
            f"grant {APP_ROLE} to {name} with admin option",
            f"grant all on database {url.database} to {name}",
            f"grant all on all tables in schema public to {name}",
            f"grant {url.username} to {name} with inherit false, set false",
        ):
            owner.execute(each)  # pyright: ignore[reportArgumentType, reportCallIssue]
    yield url.set(username=name, password="only-for-tests").render_as_string(hide_password=False)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(f"drop owned by {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]
        owner.execute(f"drop role {name}")  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_books_are_not_changed_under_a_process_that_keeps_them_in_the_old_way(
    before_books: Settings, database: Database
) -> None:
    with psycopg.connect(database.app_url), pytest.raises(StillRunningError):
        migrate(before_books)
    with psycopg.connect(database.owner_url) as owner:
        left = owner.execute("select version_num from alembic_version").fetchall()
    migrate(before_books)

    assert left == [("0006",)]
    assert drift(database.owner_url) == []


_EXTENSIONS = "select count(*) from pg_extension where extname = 'vector'"


def test_vectors_can_be_compared_where_pgvector_is_installed(settings: Settings, database: Database) -> None:
    here = settings.model_copy(update={"database_url": database.app_url, "database_owner_url": database.owner_url})
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("drop extension vector")
        before = owner.execute(_EXTENSIONS).fetchone()
        migrate(here)

        assert (before, owner.execute(_EXTENSIONS).fetchone()) == ((0,), (1,))


def test_an_owner_who_may_not_add_extensions_migrates_without(
    settings: Settings, database: Database, plain_owner: str
) -> None:
    migrate(settings.model_copy(update={"database_url": database.app_url, "database_owner_url": plain_owner}))

    with psycopg.connect(database.owner_url) as owner:
        assert owner.execute(_EXTENSIONS).fetchone() == (0,)


def test_a_schema_that_is_up_to_date_is_migrated_while_processes_run(settings: Settings, database: Database) -> None:
    to_here = settings.model_copy(update={"database_url": database.app_url, "database_owner_url": database.owner_url})

    with psycopg.connect(database.app_url):
        migrate(to_here)

    assert drift(database.owner_url) == []


def test_what_phi_for_a_tool_came_to_stays_as_it_was(settings: Settings, database: Database) -> None:
    """`block` did nothing yet, and was everybody's."""
    to_here = settings.model_copy(update={"database_url": database.app_url, "database_owner_url": database.owner_url})
    downgrade(database.owner_url, "0022")
    insert = (
        "insert into organizations (id, name, created_at, credits_allotment, phi_retrieval_behavior)"
        " values (%s, 'x', now(), 0, %s)"
    )
    with psycopg.connect(database.owner_url) as owner:
        for behavior in ("block", "redact", "allow"):
            owner.execute(insert, [f"01{behavior}", behavior])

    migrate(to_here)

    with psycopg.connect(database.owner_url) as owner:
        kept = owner.execute(
            "select id, phi_retrieval_behavior, policy_version, allowed_tools, default_model from organizations"
            " where name = 'x' order by id"
        ).fetchall()
    assert kept == [
        ("01allow", "allow", 1, ["*"], None),
        ("01block", "redact", 2, ["*"], None),
        ("01redact", "redact", 1, ["*"], None),
    ]
