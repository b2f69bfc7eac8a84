"""Rate limits as clients of AI endpoints see them: three headers for requests, three for tokens (spec A8)."""

from collections.abc import Iterable

from api.exchange import Exchange
from gateway.errors import GatewayError, Kind, RateLimitedError
from gateway.limits.buckets import Level

Headers = list[tuple[bytes, bytes]]

_BEFORE_THE_GATE = frozenset({Kind.UNAUTHENTICATED, Kind.NO_AGREEMENT, Kind.FORBIDDEN})


async def counted(exchange: Exchange, error: GatewayError) -> GatewayError:
    """What to answer to a request that was refused with `error`, once it is counted.

    A bad body is a request like any other: who sends too many of them is told so instead. What is refused for want of
    access comes before the limits: it only learns where they stand.
    """
    quota = exchange.quota
    if quota is None or quota.levels:
        return error
    try:
        await (quota.look() if error.kind in _BEFORE_THE_GATE else quota.admit())
    except RateLimitedError as refusal:
        return refusal
    except Exception:  # noqa: BLE001 - whatever the count failed of: who is refused is told why all the same
        return error
    return error


def rate_headers(exchange: Exchange) -> Headers:
    """Of the tightest bucket of requests, and of the one of tokens; none where the tier has no limit."""
    levels = exchange.quota.levels if exchange.quota else []
    requests = [level for level in levels if level.bucket.counts_requests]
    tokens = [level for level in levels if not level.bucket.counts_requests]
    return [*_headers(b"requests", requests), *_headers(b"tokens", tokens)]


def _headers(unit: bytes, levels: Iterable[Level]) -> Headers:
    tightest = min(levels, key=lambda level: (level.remaining, -level.reset), default=None)
    if tightest is None:
        return []
    told = ((b"limit", tightest.bucket.limit), (b"remaining", tightest.remaining), (b"reset", tightest.reset))
    return [(b"x-ratelimit-%b-%b" % (name, unit), b"%d" % number) for name, number in told]
