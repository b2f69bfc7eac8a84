"""When a database may be migrated."""

import psycopg
import pytest

from gateway.settings import Settings
from storage.migrate import StillRunningError, downgrade, drift, migrate
from tests.conftest import Database


@pytest.fixture
def before_books(settings: Settings, database: Database) -> Settings:
    downgrade(database.owner_url, "0006")
    return settings.model_copy(update={"database_url": database.app_url, "database_owner_url": database.owner_url})


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


def test_a_schema_that_is_up_to_date_is_migrated_while_processes_run(settings: Settings, database: Database) -> None:
    to_here = settings.model_copy(update={"database_url": database.app_url, "database_owner_url": database.owner_url})

    with psycopg.connect(database.app_url):
        migrate(to_here)

    assert drift(database.owner_url) == []
