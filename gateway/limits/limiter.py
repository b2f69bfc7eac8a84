"""The gate of every AI request: what is left of its organisation's rate, and is that enough?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.conversation import Conversation
from gateway.errors import RateLimitedError
from gateway.inference.shielding import unstoppable
from gateway.limits.buckets import Bucket, Buckets, Draw, Level, LimitName, levels
from gateway.limits.tiers import Tiers
from gateway.providers.estimate import estimate_tokens
from gateway.tenancy import Access

_SHUT = timedelta(seconds=1)
"""For how long a process refuses by itself once a bucket of requests had no room: a flood costs no query each."""
_QUIET = timedelta(minutes=1)
"""A process has one limit's refusals of one caller audited once in so long: a flood must not fill the disk."""
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Refused:
    level: Level
    """Of the bucket that had no room."""
    levels: list[Level]
    at: datetime
    audited_at: datetime


class Limiter:
    """Hands out quotas on the shared buckets. One per process; it remembers only whom it refused last."""

    def __init__(self, tiers: Tiers, buckets: Buckets, clock: Clock) -> None:
        self._tiers = tiers
        self._buckets = buckets
        self._clock = clock
        self._refused: dict[Bucket, _Refused] = {}

    def quota(self, access: Access) -> "Quota":
        """What one request of the bearer's draws from; nothing where its tier has no limits."""
        limits, principal = self._tiers.limits(access.policy.tier), access.principal
        line = principal.line
        wanted = (
            (LimitName.KEY_RPM, line, limits.key_rpm),
            (LimitName.KEY_DAILY, line, limits.key_daily),
            (LimitName.ORG_RPM, principal.org, limits.org_rpm),
            (LimitName.ORG_TPM, principal.org, limits.org_tpm),
        )
        buckets = tuple(
            Bucket(name, principal.org, owner, limit) for name, owner, limit in wanted if owner and limit is not None
        )
        return Quota(self, buckets) if buckets else UNLIMITED

    async def draw(self, draw: Draw) -> tuple[list[Level], RateLimitedError | None]:
        """The buckets' levels, and what refuses the draw if one of them had no room.

        Raises `UnavailableError`: a limit that cannot be looked up lets nothing through.
        """
        drawn = await self._buckets.draw(draw)
        found = levels(draw, drawn)
        if drawn.admitted:
            return found, None
        # Coming back before the longest of the waits is over would be in vain.
        level, wait_s = max(
            ((level, level.wait_s(cost)) for level, cost in zip(found, draw.costs, strict=True)),
            key=lambda each: each[1],
        )
        return found, self._refusal(level, found, wait_s)

    def known_refusal(self, buckets: tuple[Bucket, ...]) -> tuple[list[Level], RateLimitedError] | None:
        """What keeps a request out, as far as this process knows. Of requests alone: they are never given back."""
        now = self._clock.now()
        for bucket in buckets:
            refused = self._refused.get(bucket) if bucket.counts_requests else None
            if refused and refused.at <= now < refused.at + _SHUT:
                return refused.levels, _error(refused.level, refused.level.wait_s(1), repeated=True)
        return None

    def _refusal(self, level: Level, found: list[Level], wait_s: int) -> RateLimitedError:
        now = self._clock.now()
        before = self._refused.get(level.bucket)
        repeated = before is not None and before.audited_at <= now < before.audited_at + _QUIET
        if len(self._refused) >= _MOST_REMEMBERED:
            self._refused.clear()
        self._refused[level.bucket] = _Refused(level, found, now, before.audited_at if before and repeated else now)
        return _error(level, wait_s, repeated=repeated)


def _error(level: Level, wait_s: int, *, repeated: bool) -> RateLimitedError:
    return RateLimitedError(limit=level.bucket.name, retry_after_s=max(1, wait_s), repeated=repeated)


class Quota:
    """One request's part of its organisation's rate: asked for once, given back once.

    A process that dies with a reservation leaves nothing to mend: within a minute the bucket has forgotten it.
    """

    __slots__ = ("_buckets", "_levels", "_limiter", "_reserved")

    def __init__(self, limiter: Limiter | None, buckets: tuple[Bucket, ...]) -> None:
        self._limiter = limiter
        self._buckets = buckets
        self._levels: list[Level] = []
        self._reserved: int | None = None

    @property
    def levels(self) -> list[Level]:
        """The buckets after this request was counted; empty before that, and where there is no limit."""
        return self._levels

    @property
    def limits(self) -> list[LimitName]:
        """By which it was counted."""
        return [level.bucket.name for level in self._levels]

    def require_open(self) -> None:
        """Raises `RateLimitedError` if no request can be admitted as far as this process knows: before any work."""
        known = self._limiter and self._limiter.known_refusal(self._buckets)
        if known:
            self._levels = known[0]
            raise known[1]

    async def admit(self, conversation: Conversation | None = None) -> None:
        """Count one request, and reserve the tokens that answering `conversation` may take.

        That is an estimate of the input and all of `max_tokens`, at most the whole bucket: a call that is larger is
        admitted when the bucket is full. Raises `RateLimitedError` and takes nothing, or `UnavailableError`.
        """
        await self._draw(requests=1, conversation=conversation)

    async def look(self) -> None:
        """Learn the levels and count nothing. Raises `UnavailableError`."""
        await self._draw(requests=0)

    def settle(self, tokens: int) -> None:
        """The call took so many. What it reserved beyond them is given back soon; the caller does not wait for it."""
        reserved, self._reserved = self._reserved, None
        bucket = self._tokens_bucket
        if self._limiter and bucket and reserved is not None and reserved != tokens:
            unstoppable(self._limiter.draw(Draw((bucket,), (tokens - reserved,), forced=True)))

    @property
    def _tokens_bucket(self) -> Bucket | None:
        return next((bucket for bucket in self._buckets if not bucket.counts_requests), None)

    async def _draw(self, *, requests: int, conversation: Conversation | None = None) -> None:
        if self._limiter is None:
            return
        bucket = self._tokens_bucket
        tokens = _tokens(conversation, bucket.limit) if bucket and conversation else 0
        costs = tuple(requests if each.counts_requests else tokens for each in self._buckets)
        self._levels, refusal = await self._limiter.draw(Draw(self._buckets, costs))
        if refusal:
            raise refusal
        self._reserved = tokens or None


UNLIMITED = Quota(None, ())


def _tokens(conversation: Conversation, most: int) -> int:
    return min(most, estimate_tokens(conversation) + conversation.sampling.max_tokens)
