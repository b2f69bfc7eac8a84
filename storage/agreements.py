"""What happens to an organisation's agreement: accepted, signed, in force, ended. Each act with its audit entry.

Every function works in a transaction of the organisation's, may be asked again, and does once what it does.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.baa.acceptance import GRACE_DAYS, Acceptance, AcceptanceStatus, Affirmation
from gateway.baa.template import Template
from gateway.errors import NotFoundError
from gateway.events import Event, EventType
from gateway.ids import AcceptanceId
from storage.transaction import Transaction

ENTITY = "baa_acceptance"
_OPEN = (AcceptanceStatus.PENDING, AcceptanceStatus.ACTIVE)


class NothingToDoError(Exception):
    """It has been done, or is no longer wanted. Nothing was changed: the transaction that it leaves is undone."""


@dataclass(frozen=True, slots=True)
class Accepted:
    id: AcceptanceId
    is_new: bool
    """False: the text was accepted already, by this or another person."""


async def accept(
    tx: Transaction,
    template: Template,
    *,
    covers: Collection[str],
    affirmation: Affirmation,
    now: datetime,
    expires_at: datetime | None,
) -> Accepted:
    """One acceptance of `template` for the organisation, however many accept at once. Raises `NotFoundError`."""
    await tx.agreements.lock()
    covers = frozenset(map(str, covers))
    for known in await tx.agreements.newest():
        if known.stands_for(template.sha256, covers, now):
            _audit(tx, AuditAction.BAA_RETRIEVED, known.id, {"repeated": True})
            return Accepted(known.id, is_new=False)
    acceptance = await tx.agreements.add(
        template_version=template.version,
        template_sha256=template.sha256,
        covers=covers,
        affirmation=affirmation,
        expires_at=expires_at,
    )
    about: dict[str, JsonValue] = {"template_version": template.version, "template_sha256": template.sha256}
    _audit(tx, AuditAction.BAA_ACCEPTED, acceptance.id, {**about, "covers": [*acceptance.covers]})
    _tell(tx, EventType.BAA_ACCEPTED, acceptance.id, {"template_version": template.version})
    return Accepted(acceptance.id, is_new=True)


async def keep_document(tx: Transaction, acceptance: AcceptanceId, signed: bytes) -> None:
    """Keep the signed PDF. Raises `NothingToDoError` when there is one, or none is wanted any more."""
    await tx.agreements.lock()
    if not (await tx.agreements.find(acceptance)).awaits_document:
        raise NothingToDoError
    document = await tx.agreements.keep_document(acceptance, signed)
    _audit(tx, AuditAction.BAA_SIGNED, acceptance, {"document_sha256": document.sha256, "size": document.size})


async def activate(tx: Transaction, acceptance: AcceptanceId) -> None:
    """Put it in force in place of the one before. Raises `NothingToDoError` unless it is pending."""
    await tx.agreements.lock()
    chosen = await tx.agreements.find(acceptance)
    if chosen.status is not AcceptanceStatus.PENDING:
        raise NothingToDoError
    before = await tx.agreements.activate(acceptance)
    if before is not None:
        by: dict[str, JsonValue] = {"superseded_by": acceptance} if before.id != acceptance else {}
        _audit(tx, AuditAction.BAA_SUPERSEDED, before.id, by)
    if before is None or before.id != acceptance:
        about: dict[str, JsonValue] = {"template_version": chosen.template_version}
        _audit(tx, AuditAction.BAA_ACTIVATED, acceptance, about)
        _tell(tx, EventType.BAA_ACTIVATED, acceptance, about)


async def terminate(tx: Transaction, *, now: datetime, notice: timedelta, grace_days: int = GRACE_DAYS) -> datetime:
    """End what is in force once `notice` has passed, and what is pending at once; returns the end.

    An end that was to come earlier stays. Raises `NotFoundError` when there is nothing to end.
    """
    await tx.agreements.lock()
    open_now = [each for each in await tx.agreements.newest() if each.status_at(now) in _OPEN]
    if not open_now:
        raise NotFoundError("The organization has no agreement that could be terminated.")
    last = now
    for each in open_now:
        end = now if each.status is AcceptanceStatus.PENDING else min(now + notice, each.until or now + notice)
        about: dict[str, JsonValue] = {"ends_at": end.isoformat(), "grace_days": grace_days}
        await tx.agreements.limit(each, AcceptanceStatus.TERMINATED, at=end, grace_days=grace_days)
        if end <= now:
            await tx.agreements.end(each, AcceptanceStatus.TERMINATED, at=end)
        _audit(tx, AuditAction.BAA_TERMINATED, each.id, about)
        _tell(tx, EventType.BAA_TERMINATED, each.id, about)
        last = max(last, end)
    return last


async def require_reacceptance(tx: Transaction, acceptance: AcceptanceId, *, now: datetime, within: timedelta) -> None:
    """Let an agreement of an older text end once `within` has passed. Raises `NothingToDoError` if it ends anyway."""
    await tx.agreements.lock()
    held = await tx.agreements.find(acceptance)
    end = now + within
    if held.status_at(now) is not AcceptanceStatus.ACTIVE or (held.until is not None and held.until <= end):
        raise NothingToDoError
    await tx.agreements.limit(held, AcceptanceStatus.SUPERSEDED, at=end)
    about: dict[str, JsonValue] = {"ends_at": end.isoformat(), "template_version": held.template_version}
    _audit(tx, AuditAction.BAA_REACCEPTANCE_REQUIRED, acceptance, about)
    _tell(tx, EventType.BAA_REACCEPTANCE_REQUIRED, acceptance, about)


async def keep_up(tx: Transaction, acceptance: AcceptanceId, *, now: datetime) -> None:
    """Note an end that has come, or tell of one that nears. Raises `NothingToDoError` when neither is due."""
    await tx.agreements.lock()
    held = await tx.agreements.find(acceptance)
    status, days = held.status_at(now), held.reminder_at(now)
    if held.status is not AcceptanceStatus.ACTIVE or held.until is None:
        raise NothingToDoError
    about: dict[str, JsonValue] = {"ends_at": held.until.isoformat()}
    if status is not AcceptanceStatus.ACTIVE:
        about["reason"] = status.value
        await tx.agreements.end(held, status, at=held.until)
        _audit(tx, AuditAction.BAA_EXPIRED, acceptance, about)
        _tell(tx, EventType.BAA_EXPIRED, acceptance, about)
    elif days is not None:
        about |= {"days": days, "reason": _reason(held)}
        await tx.agreements.note_reminder(acceptance, days)
        _audit(tx, AuditAction.BAA_EXPIRING, acceptance, about)
        _tell(tx, EventType.BAA_EXPIRING, acceptance, about)
    else:
        raise NothingToDoError


def _reason(held: Acceptance) -> str:
    """As what it will have ended."""
    is_decided = held.ends_as is not None and held.until == held.ends_at
    return held.ends_as.value if is_decided and held.ends_as else AcceptanceStatus.EXPIRED.value


def _audit(tx: Transaction, action: AuditAction, acceptance: str, metadata: dict[str, JsonValue]) -> None:
    tx.audit(action, entity_type=ENTITY, entity_id=acceptance, metadata=metadata)


def _tell(tx: Transaction, event: EventType, acceptance: str, data: dict[str, JsonValue]) -> None:
    tx.tell(Event(event, {"acceptance_id": acceptance, **data}))
