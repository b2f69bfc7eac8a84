"""Token buckets: how much of each limit is used. Nothing in here is worth a flush to disk."""

from sqlalchemy.orm import Mapped, mapped_column

from storage.tables.schema import Counter, Row


class RateBucketRow(Row):
    """`used` in grains as of `at`, microseconds of Unix time. Unlogged: after a crash every bucket is full again."""

    __tablename__ = "rate_buckets"
    __table_args__ = ({"prefixes": ["UNLOGGED"], "postgresql_with": {"fillfactor": 50}},)

    key: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[Counter]
    at: Mapped[Counter]
