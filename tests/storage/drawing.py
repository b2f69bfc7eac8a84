"""A process of its own that draws: `python -m tests.storage.drawing URL TIMES` writes how often there was room."""

import asyncio
import sys

from storage.limits.postgres import PostgresBuckets
from storage.limits.valkey import ValkeyBuckets
from storage.pool import open_pool
from tests.storage.rate_buckets import ORG, day_of_key


async def drawn(url: str, times: int) -> int:
    pool = None if url.startswith("valkey") else await open_pool(url, size=4)
    buckets = PostgresBuckets(pool) if pool else ValkeyBuckets(url)
    results = await asyncio.gather(*(buckets.draw(day_of_key(ORG, limit=100)) for _ in range(times)))
    await buckets.close()
    if pool:
        await pool.close()
    return sum(result.admitted for result in results)


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(drawn(sys.argv[1], int(sys.argv[2])))}\n")
