"""What we keep, in PostgreSQL. `Storage` is the only door."""

from storage.storage import Storage

__all__ = ["Storage"]
