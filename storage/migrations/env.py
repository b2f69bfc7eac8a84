"""Alembic's environment: runs on the connection that `storage.migrate` hands over, in one transaction."""

from alembic import context
from sqlalchemy import Connection

from storage.tables import Row

connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Row.metadata, compare_server_default=True)
with context.begin_transaction():
    context.run_migrations()
