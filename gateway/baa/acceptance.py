"""Acceptances of the agreement: what each is worth at a moment, and when its end has to be told of."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

import orjson

from gateway.baa.evidence import Operator, Origin, Signatory
from gateway.ids import AcceptanceId, OrganizationId

REMINDERS = (7, 30, 90)
"""Days before an agreement's end at which it is told of, nearest first."""

RENEWABLE = timedelta(days=max(REMINDERS))
"""How long before its end the same text can be accepted anew."""

GRACE_DAYS = 30
"""How long records can be read after an agreement has ended, to export them: section 9.5 of the agreement."""


class AcceptanceStatus(StrEnum):
    PENDING = "pending"
    """Accepted; its document is being signed. It opens no gate."""
    ACTIVE = "active"
    SUPERSEDED = "superseded"
    """By a later acceptance, or because the deadline for one of a newer text has passed."""
    EXPIRED = "expired"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Affirmation:
    """Who accepted, where from, and what they affirmed. Personal data: at rest it is sealed."""

    organization_name: str
    signatory: Signatory
    origin: Origin
    operator: Operator | None
    """None: nobody was named to countersign, so there is no document."""
    acceptance_text: str
    text_fetched_at: datetime

    def json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        kept = orjson.loads(document)
        return cls(
            organization_name=kept["organization_name"],
            signatory=Signatory(**kept["signatory"]),
            origin=Origin(**kept["origin"]),
            operator=kept["operator"] and Operator(**kept["operator"]),
            acceptance_text=kept["acceptance_text"],
            text_fetched_at=datetime.fromisoformat(kept["text_fetched_at"]),
        )


@dataclass(frozen=True, slots=True)
class StoredDocument:
    sha256: str
    """Hex, of the signed PDF."""
    size: int
    """Bytes."""
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Without a word of personal data."""

    id: AcceptanceId
    org: OrganizationId
    template_version: str
    template_sha256: str
    covers: tuple[str, ...]
    accepted_at: datetime
    effective_at: datetime
    expires_at: datetime | None
    """The end that was agreed."""
    ends_at: datetime | None
    """An end that was decided since: by termination, or as the deadline for accepting a newer text."""
    ends_as: AcceptanceStatus | None
    """What it is from `ends_at` on."""
    grace_days: int
    status: AcceptanceStatus
    """As written. An end that time brings is known by the clock first: see `status_at`."""
    awaits_document: bool
    reminded_days: int | None
    """The last reminder told, in days before the end."""
    document: StoredDocument | None

    @property
    def until(self) -> datetime | None:
        """The first moment at which it is no longer in force; None: open."""
        return min((end for end in (self.expires_at, self.ends_at) if end is not None), default=None)

    @property
    def readable_until(self) -> datetime | None:
        return None if self.until is None else self.until + timedelta(days=self.grace_days)

    def status_at(self, now: datetime) -> AcceptanceStatus:
        if self.status is not AcceptanceStatus.ACTIVE or self.until is None or now < self.until:
            return self.status
        if self.ends_as is not None and self.until == self.ends_at:
            return self.ends_as
        return AcceptanceStatus.EXPIRED

    def stands_for(self, template_sha256: str, covers: Collection[str], now: datetime) -> bool:
        """Whether to accept that text now would only say again what this acceptance says."""
        if self.template_sha256 != template_sha256:
            return False
        if self.status is AcceptanceStatus.PENDING:
            return True
        is_lasting = self.until is None or self.until - now > RENEWABLE
        return self.status is AcceptanceStatus.ACTIVE and is_lasting and set(self.covers) == set(covers)

    def reminder_at(self, now: datetime) -> int | None:
        """The reminder to tell at `now`, if it was not told: of several that are due, the nearest to the end."""
        passed = passed_reminder(self.until, now)
        return None if passed is None or passed >= (self.reminded_days or passed + 1) else passed


def passed_reminder(until: datetime | None, now: datetime) -> int | None:
    """Of the reminders whose moment has come, the last: days before `until`."""
    if until is None:
        return None
    return next((days for days in REMINDERS if until - now <= timedelta(days=days)), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """An organisation's, at a moment. `status` None: it never accepted."""

    status: AcceptanceStatus | None
    active: Acceptance | None
    pending: Acceptance | None
    last: Acceptance | None
    """The acceptance that `status` is of."""


def standing_of(acceptances: Iterable[Acceptance], now: datetime) -> Standing:
    """What `acceptances`, newest first, come to."""
    active: Acceptance | None = None
    pending: Acceptance | None = None
    ended: Acceptance | None = None
    for each in acceptances:
        match each.status_at(now):
            case AcceptanceStatus.ACTIVE:
                active = active or each
            case AcceptanceStatus.PENDING:
                pending = pending or each
            case _:
                ended = ended or each
    last = active or pending or ended
    return Standing(last.status_at(now) if last else None, active, pending, last)
