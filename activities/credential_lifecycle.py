"""Lives of agents' credentials: begun with them, told of what is decided about them, and noted when they end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from temporalio import activity

from activities.starting import Start
from activities.surface import surfaced
from gateway.agents.cascade import AGENT_ARCHIVED, PARENT_REVOKED, SUCCESSOR_REVOKED
from gateway.clock import Clock
from gateway.events import EventType
from gateway.ids import CredentialId
from storage.agents import lifecycles
from storage.outbox import OutboxEvent
from storage.pool import Pool

_SWEPT = {AGENT_ARCHIVED, PARENT_REVOKED, SUCCESSOR_REVOKED}


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential: ids only."""

    org: str
    agent: str
    credential: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a credential's row says. Seconds from now; 0 or less: it is due."""

    ends_in_s: float
    warned_in_s: float | None = None
    """None: no warning is due any more."""
    is_revoked: bool = False
    is_over: bool = False
    """Nothing is left to do."""


@dataclass(frozen=True, slots=True)
class CredentialCursor:
    after: str = ""


@dataclass(frozen=True, slots=True)
class StartedPage:
    started: int
    next: CredentialCursor | None = None
    """Absent when there are no more."""


class CredentialLifecycles(Protocol):
    """Where lives of credentials are followed. Each is safe to repeat, and for one that is over does nothing."""

    async def start(self, issued: Issued) -> None: ...

    async def retire(self, issued: Issued, at: datetime) -> None: ...

    async def revoke(self, issued: Issued) -> None: ...


def life_starts(lives: CredentialLifecycles) -> Mapping[str, Start]:
    """What is done about a life as it is decided about."""

    async def revoked(event: OutboxEvent) -> None:
        # Those that went along with another are told by the cascade, many at once.
        if event.data.get("reason") not in _SWEPT:
            await lives.revoke(_issued(event))

    return {
        EventType.AGENT_CREDENTIAL_ISSUED: lambda event: lives.start(_issued(event)),
        EventType.AGENT_CREDENTIAL_REVOKED: revoked,
        EventType.AGENT_CREDENTIAL_ROTATED: lambda event: lives.retire(
            _issued(event), datetime.fromisoformat(str(event.data["retires_at"]))
        ),
    }


class CredentialLifecycleActivities:
    """Each is safe to run twice, also at once."""

    def __init__(self, pool: Pool, clock: Clock, workflows: CredentialLifecycles) -> None:
        self._pool = pool
        self._clock = clock
        self._workflows = workflows

    @activity.defn(name="credential.look")
    @surfaced
    async def look(self, issued: Issued) -> Outlook:
        """What is next for a credential, by its row and our clock."""
        found = await lifecycles.standing(self._pool, CredentialId(issued.credential))
        if found is None:
            return Outlook(ends_in_s=0, is_over=True)
        now = self._clock.now()
        warned_in_s = None if found.warned_at is None else (found.warned_at - now).total_seconds()
        return Outlook(
            ends_in_s=(found.ends_at - now).total_seconds(),
            warned_in_s=warned_in_s,
            is_revoked=found.is_revoked,
            is_over=found.is_revoked or found.is_noted,
        )

    @activity.defn(name="credential.warn")
    @surfaced
    async def warn(self, issued: Issued) -> None:
        """Tell once that it ends soon."""
        credential = CredentialId(issued.credential)
        found = await lifecycles.standing(self._pool, credential)
        if found is not None:
            await lifecycles.remind(self._pool, credential, ends_at=found.ends_at, now=self._clock.now())

    @activity.defn(name="credential.end")
    @surfaced
    async def end(self, issued: Issued) -> None:
        """Note once that its end has come; silent to the outside."""
        await lifecycles.end(self._pool, CredentialId(issued.credential), now=self._clock.now())

    @activity.defn(name="credential.start_page")
    @surfaced
    async def start_page(self, cursor: CredentialCursor) -> StartedPage:
        """Have a page of credentials seen to whose end has come unnoticed: whatever took their workflow away."""
        page = await lifecycles.left(self._pool, now=self._clock.now(), after=cursor.after)
        for each in page:
            await self._workflows.start(Issued(each.org, each.agent, each.id))
        return StartedPage(len(page), CredentialCursor(page[-1].id) if len(page) == lifecycles.PAGE else None)


def _issued(event: OutboxEvent) -> Issued:
    return Issued(event.org, str(event.data["agent_id"]), str(event.data["credential_id"]))
