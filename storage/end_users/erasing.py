"""How a person is erased, act by act: asked for, restricted, decided, shredded, certified; or held.

Each is a transaction with its audit entry, looks anew at what may hold it, and finds done what was done: whatever dies
when, it may be asked for again.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import Erasure, ErasureState, Reason, Scan, due_after
from gateway.end_users.exports import ExportState
from gateway.errors import ValidationFailedError
from gateway.events import Event, EventType
from gateway.ids import EndUserId, ErasureId, OrganizationId
from gateway.tenancy import KeyMode, Principal
from storage.agreements import NothingToDoError
from storage.end_users.erasures import Certified, Standing
from storage.end_users.tombstones import Tombstone, Tombstones
from storage.storage import Storage
from storage.transaction import Transaction

ENTITY = "end_user_erasure"
_COMMAND = "gdpr_erasure"


async def request(tx: Transaction, end_user: EndUserId, *, reference: str | None) -> Erasure:
    """Ask for `end_user` to be erased; while that is under way it is the same request.

    Who was named as they are before them, and could not be erased then, is asked for too. Raises `NotFoundError` for
    whom nobody knows, or who is erased; `ValidationFailedError` for a `reference` that is their name.
    """
    erasure = await _ask(tx, end_user, reference)
    for other in await tx.end_user_erasures.left_restricted(erasure):
        await _ask(tx, other, reference)
    return erasure


async def _ask(tx: Transaction, end_user: EndUserId, reference: str | None) -> Erasure:
    erasure, is_new = await tx.end_user_erasures.add(end_user, reference=reference, by=tx.actor)
    if reference is not None and await tx.end_users.digest(reference) == erasure.digest:
        raise ValidationFailedError("`reference` is the name, and would outlive it.", param="reference")
    about: dict[str, JsonValue] = {"end_user_id": end_user, "reference": reference}
    _audit(tx, AuditAction.END_USER_ERASURE_REQUESTED, erasure, about if is_new else {**about, "again": True})
    if is_new:
        tx.tell(Event(EventType.END_USER_ERASURE_REQUESTED, {"erasure_id": erasure.id}))
    return erasure


async def current(storage: Storage, org: OrganizationId, erasure: ErasureId) -> Erasure:
    """Raises `NotFoundError`."""
    async with storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as view:
        return await view.end_user_erasures.get(erasure)


async def restrict(storage: Storage, org: OrganizationId, erasure: ErasureId, *, now: datetime) -> Erasure:
    """From now on nothing of the person is read; held, if something holds it; waiting, until nothing has it kept."""
    with suppress(NothingToDoError):
        async with storage.as_operator(org, command=_COMMAND) as tx:
            await _restrict(tx, await tx.end_user_erasures.lock(erasure), now)
    return await current(storage, org, erasure)


async def decide(storage: Storage, org: OrganizationId, erasure: ErasureId, *, now: datetime) -> Erasure:
    """The last look at what may hold it: what comes after this comes too late."""
    with suppress(NothingToDoError):
        async with storage.as_operator(org, command=_COMMAND) as tx:
            await _decide(tx, await tx.end_user_erasures.lock(erasure), now)
    return await current(storage, org, erasure)


async def shred(
    storage: Storage, tombstones: Tombstones, erasure: Erasure, *, keys_gone_on: date, at: datetime
) -> Erasure:
    """Destroy the key and the name of whom it was decided about: of what is sealed under it nothing opens any more.

    The tombstone is written before, so that no older copy of the database brings them back. Raises `UnavailableError`
    when that cannot be.
    """
    if erasure.state is ErasureState.SHREDDING:
        await tombstones.append(
            Tombstone(erasure.org, erasure.end_user, digest=erasure.digest, erasure=erasure.id, erased_at=at)
        )
        with suppress(NothingToDoError):
            async with storage.as_operator(erasure.org, command=_COMMAND) as tx:
                await _shred(tx, await tx.end_user_erasures.lock(erasure.id), keys_gone_on, at)
    return await current(storage, erasure.org, erasure.id)


async def note_scan(
    storage: Storage, erasure: Erasure, scan: Scan, counts: Mapping[RecordClass, int], *, now: datetime
) -> Erasure:
    """What was looked through since, and what is kept. Says so when somebody set a hold after it was decided."""
    with suppress(NothingToDoError):
        async with storage.as_operator(erasure.org, command=_COMMAND) as tx:
            standing = await tx.end_user_erasures.lock(erasure.id)
            _require(standing, ErasureState.SHREDDED)
            reasons = () if scan.is_clean else (Reason.RECORDS_FOUND,)
            if standing.holds(now):
                reasons += (Reason.HOLD_CAME_TOO_LATE,)
            if scan.is_delegating:
                reasons += (Reason.DELEGATING_USER,)
            await tx.end_user_erasures.note_scan(standing.erasure, scan, counts, reasons)
            about: dict[str, JsonValue] = {"reasons": [*reasons], "found": sum(scan.found.values())}
            _audit(tx, AuditAction.END_USER_SCANNED, erasure, about)
    return await current(storage, erasure.org, erasure.id)


async def finish(storage: Storage, erasure: Erasure, certified: Certified, *, at: datetime) -> Erasure:
    """It is done, with its certificate. Of two that are made at once the first that is kept is the one."""
    with suppress(NothingToDoError):
        async with storage.as_operator(erasure.org, command=_COMMAND) as tx:
            standing = await tx.end_user_erasures.lock(erasure.id)
            _require(standing, ErasureState.SHREDDED)
            await tx.end_user_erasures.finish(standing.erasure, certified, at=at)
            counts: dict[str, JsonValue] = {kind.value: count for kind, count in standing.erasure.counts.items()}
            gone_on = standing.erasure.keys_gone_on
            about: dict[str, JsonValue] = {"counts": counts, "keys_gone_on": gone_on.isoformat() if gone_on else None}
            _audit(tx, AuditAction.END_USER_ERASED, erasure, about)
            _tell(tx, EventType.END_USER_ERASED, erasure)
    return await current(storage, erasure.org, erasure.id)


async def _restrict(tx: Transaction, standing: Standing, now: datetime) -> None:
    erasure = standing.erasure
    _require(standing, ErasureState.REQUESTED, ErasureState.WAITING)
    if reasons := standing.holds(now):
        await _hold(tx, erasure, reasons, now)
        return
    await _restrict_until(tx, erasure, await _due_at(tx, standing, now), now)


async def _due_at(tx: Transaction, standing: Standing, now: datetime) -> datetime | None:
    """When what must be kept so long need no longer be kept; None: nothing must, from `now` on."""
    minimum = standing.minimum_days
    youngest = await tx.end_user_erasures.youngest_content(standing.erasure.end_user) if minimum else None
    due_at = due_after(youngest, minimum)
    return None if due_at is None or due_at <= now else due_at


async def _restrict_until(tx: Transaction, erasure: Erasure, due_at: datetime | None, now: datetime) -> None:
    if due_at is not None and (erasure.state, erasure.due_at) == (ErasureState.WAITING, due_at):
        raise NothingToDoError
    await tx.end_user_erasures.restrict(erasure, due_at=due_at, at=now)
    about: dict[str, JsonValue] = {"due_at": None if due_at is None else due_at.isoformat()}
    _audit(tx, AuditAction.END_USER_RESTRICTED, erasure, about)


async def _decide(tx: Transaction, standing: Standing, now: datetime) -> None:
    _require(standing, ErasureState.RESTRICTED, ErasureState.WAITING)
    if reasons := standing.holds(now):
        await _hold(tx, standing.erasure, reasons, now)
        return
    if (due_at := await _due_at(tx, standing, now)) is not None:
        # A process that knew them from before has had a call of theirs meanwhile.
        await _restrict_until(tx, standing.erasure, due_at, now)
        return
    await tx.end_user_erasures.decide(standing.erasure)
    _audit(tx, AuditAction.END_USER_ERASURE_DECIDED, standing.erasure, {})


async def _shred(tx: Transaction, standing: Standing, keys_gone_on: date, at: datetime) -> None:
    erasure = standing.erasure
    _require(standing, ErasureState.SHREDDING)
    await tx.end_user_erasures.shred(erasure.end_user, at=at)
    exports = await tx.end_user_exports.destroy_all_of(erasure.end_user, ExportState.CANCELLED)
    for export_id in exports:
        tx.tell(Event(EventType.END_USER_EXPORT_CANCELLED, {"export_id": export_id}))
    counts = {RecordClass.PROFILE: 1, RecordClass.EXPORTS: len(exports)}
    await tx.end_user_erasures.note_shredded(erasure, counts=counts, keys_gone_on=keys_gone_on, at=at)
    _audit(tx, AuditAction.END_USER_SHREDDED, erasure, {"exports": len(exports)})


async def _hold(tx: Transaction, erasure: Erasure, reasons: tuple[Reason, ...], now: datetime) -> None:
    await tx.end_user_erasures.hold(erasure, reasons, at=now)
    _audit(tx, AuditAction.END_USER_ERASURE_HELD, erasure, {"reasons": [*reasons]})
    _tell(tx, EventType.END_USER_ERASURE_HELD, erasure, reasons=[*reasons])


def _require(standing: Standing, *states: ErasureState) -> None:
    """Raises `NothingToDoError` where it is further already."""
    if standing.erasure.state not in states:
        raise NothingToDoError


def _audit(tx: Transaction, action: AuditAction, erasure: Erasure, about: Mapping[str, JsonValue]) -> None:
    tx.audit(action, entity_type=ENTITY, entity_id=erasure.id, metadata=about, subject=erasure.digest)


def _tell(tx: Transaction, kind: EventType, erasure: Erasure, **about: JsonValue) -> None:
    tx.tell(Event(kind, {"erasure_id": erasure.id, "end_user_id": erasure.end_user, **about}))
