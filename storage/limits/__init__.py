"""Where the buckets of rate limits are kept: in PostgreSQL, or in Valkey where there is one."""

from gateway.limits.buckets import Buckets
from gateway.settings import Settings
from storage.limits.postgres import PostgresBuckets
from storage.pool import Pool


def open_buckets(settings: Settings, pool: Pool) -> Buckets:
    """Raises `ValkeyUrlError` for a URL that cannot be used."""
    if settings.valkey_url is None:
        return PostgresBuckets(pool)
    from storage.limits.valkey import ValkeyBuckets

    return ValkeyBuckets(settings.valkey_url)
