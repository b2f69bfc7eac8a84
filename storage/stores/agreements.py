"""Acceptances of the business associate agreement, and their signed documents."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, Update, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.baa.acceptance import Acceptance, AcceptanceStatus, Affirmation, StoredDocument, passed_reminder
from gateway.clock import Clock
from gateway.errors import NotFoundError, UnavailableError
from gateway.ids import AcceptanceId, OrganizationId, new_ulid
from gateway.paging import Page, cursor_after, read_cursor
from storage.encryption import ContentCipher, SealedValueError
from storage.tables import AcceptanceRow, BaaDocumentRow, OrganizationRow

_MOST_STANDING = 20
"""Of the newest acceptances: the one in force is among those that are not ended, and these come first."""
_OPEN = (AcceptanceStatus.PENDING, AcceptanceStatus.ACTIVE)

Found = tuple[AcceptanceRow, BaaDocumentRow | None]


@dataclass(frozen=True, slots=True)
class Signer:
    """Personal data."""

    name: str
    title: str
    email: str
    organization_name: str | None
    """None, as `ip_address` is, of acceptances that were made before these were kept."""
    ip_address: str | None


@dataclass(frozen=True, slots=True)
class SignedAcceptance:
    acceptance: Acceptance
    signer: Signer


class AgreementReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def newest(self) -> tuple[Acceptance, ...]:
        """Those that decide how the organisation stands now, newest first."""
        is_open = AcceptanceRow.status.in_(_OPEN)
        found = await self._rows(self._all().order_by(is_open.desc(), AcceptanceRow.id.desc()).limit(_MOST_STANDING))
        return tuple(sorted((_acceptance(each) for each in found), key=lambda each: each.id, reverse=True))

    async def find(self, acceptance: AcceptanceId) -> Acceptance:
        """Raises `NotFoundError`."""
        return _acceptance(await self._row(acceptance))

    async def get(self, acceptance: AcceptanceId) -> SignedAcceptance:
        """With its signer. Raises `NotFoundError`, and `UnavailableError` for a seal that does not open."""
        return await self._signed(await self._row(acceptance))

    async def page(self, *, cursor: str | None, limit: int) -> Page[SignedAcceptance]:
        """Newest first, with their signers. Raises `ValidationFailedError` for a foreign cursor."""
        query = self._all().order_by(AcceptanceRow.id.desc()).limit(limit + 1)
        after = read_cursor(cursor)
        if after is not None:
            query = query.where(AcceptanceRow.id < after)
        found = await self._rows(query)
        return Page(
            items=tuple([await self._signed(each) for each in found[:limit]]),
            next_cursor=cursor_after(found[limit - 1][0].id) if len(found) > limit else None,
        )

    async def affirmation(self, acceptance: AcceptanceId) -> Affirmation:
        """Raises `NotFoundError`, also for an acceptance of before there were any."""
        row, _ = await self._row(acceptance)
        if row.affirmation is None:
            raise NotFoundError("The acceptance has no record of how it was made.")
        return await self._affirmation(row.id, row.affirmation)

    async def document(self, acceptance: AcceptanceId) -> bytes:
        """The signed PDF. Raises `NotFoundError` until there is one."""
        query = select(BaaDocumentRow.content).where(
            BaaDocumentRow.org_id == self._org, BaaDocumentRow.acceptance_id == acceptance
        )
        sealed = (await self._session.execute(query)).scalar_one_or_none()
        if sealed is None:
            raise NotFoundError("The acceptance has no signed document, or not yet.")
        return await self._opened(document_place(acceptance), sealed)

    def _all(self) -> Select[AcceptanceRow, BaaDocumentRow]:
        joined = select(AcceptanceRow, BaaDocumentRow).join(
            BaaDocumentRow, BaaDocumentRow.acceptance_id == AcceptanceRow.id, isouter=True
        )
        return joined.where(AcceptanceRow.org_id == self._org)

    async def _rows(self, query: Select[AcceptanceRow, BaaDocumentRow]) -> list[Found]:
        # Within a transaction rows may have been changed by statements that the session has not looked at.
        fresh = query.execution_options(populate_existing=True)
        return [(row, document) for row, document in (await self._session.execute(fresh)).all()]

    async def _row(self, acceptance: AcceptanceId) -> Found:
        found = await self._rows(self._all().where(AcceptanceRow.id == acceptance))
        if not found:
            raise NotFoundError("The acceptance does not exist.")
        return found[0]

    async def _signed(self, found: Found) -> SignedAcceptance:
        row = found[0]
        if row.affirmation is None:
            signer = Signer(row.signer_name or "", row.signer_title or "", row.signer_email or "", None, None)
        else:
            made = await self._affirmation(row.id, row.affirmation)
            who = made.signatory
            signer = Signer(who.name, who.title, who.email, made.organization_name, made.origin.ip_address)
        return SignedAcceptance(_acceptance(found), signer)

    async def _affirmation(self, acceptance: str, sealed: bytes) -> Affirmation:
        return Affirmation.from_json(await self._opened(affirmation_place(acceptance), sealed))

    async def _opened(self, place: str, sealed: bytes) -> bytes:
        try:
            return await self._cipher.open(self._org, place, sealed)
        except SealedValueError:
            raise UnavailableError("The stored agreement could not be opened.") from None


class AgreementStore(AgreementReader):
    """Whoever changes an acceptance holds `lock` first, so that one organisation's changes follow one another."""

    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def lock(self) -> None:
        """Until this commits. Raises `NotFoundError` for an unknown organisation."""
        # Not `for update`: that would hold up every call of the organisation, whose rows refer to this one.
        query = select(OrganizationRow.id).where(OrganizationRow.id == self._org).with_for_update(key_share=True)
        if (await self._session.execute(query)).first() is None:
            raise NotFoundError("The organization does not exist.")

    async def add(
        self,
        *,
        template_version: str,
        template_sha256: str,
        covers: Collection[str],
        affirmation: Affirmation,
        expires_at: datetime | None = None,
    ) -> Acceptance:
        """A pending acceptance, effective from now on; its document is awaited if somebody is named to countersign."""
        acceptance, now = AcceptanceId(new_ulid()), self._clock.now()
        sealed = await self._cipher.seal(self._org, affirmation_place(acceptance), affirmation.json())
        row = AcceptanceRow(
            id=acceptance,
            org_id=self._org,
            template_version=template_version,
            template_sha256=template_sha256,
            covers=sorted(covers),
            affirmation=sealed,
            accepted_at=now,
            effective_at=now,
            expires_at=expires_at,
            status=AcceptanceStatus.PENDING,
            awaits_document=affirmation.operator is not None,
        )
        self._session.add(row)
        await self._session.flush()
        return await self.find(acceptance)

    async def activate(self, acceptance: AcceptanceId) -> Acceptance | None:
        """Put a pending acceptance in force; returns the one that it took the place of.

        One that was accepted before the one in force comes too late: it is superseded itself, and returned.
        """
        now = self._clock.now()
        chosen = await self.find(acceptance)
        found = await self._rows(self._all().where(AcceptanceRow.status == AcceptanceStatus.ACTIVE))
        before = _acceptance(found[0]) if found else None
        if before is not None:
            status = before.status_at(now)
            if status is not AcceptanceStatus.ACTIVE:
                await self.end(before, status, at=before.until)
            elif before.accepted_at > chosen.accepted_at:
                await self.end(chosen, AcceptanceStatus.SUPERSEDED, at=now)
                return chosen
            else:
                await self.end(before, AcceptanceStatus.SUPERSEDED, at=now)
        await self._session.execute(
            self._change(acceptance).values(
                status=AcceptanceStatus.ACTIVE, reminded_days=passed_reminder(chosen.until, now)
            )
        )
        return before

    async def keep_document(self, acceptance: AcceptanceId, signed: bytes) -> StoredDocument:
        """Raises `IntegrityError` for a second document of one acceptance: hold `lock`, and look before."""
        sealed = await self._cipher.seal(self._org, document_place(acceptance), signed)
        document = StoredDocument(hashlib.sha256(signed).hexdigest(), len(signed), self._clock.now())
        self._session.add(
            BaaDocumentRow(
                acceptance_id=acceptance,
                org_id=self._org,
                sha256=document.sha256,
                size=document.size,
                content=sealed,
                signed_at=document.signed_at,
            )
        )
        await self._session.execute(self._change(acceptance).values(awaits_document=False))
        return document

    async def limit(
        self, acceptance: Acceptance, ends_as: AcceptanceStatus, *, at: datetime, grace_days: int | None = None
    ) -> None:
        """Have it end at `at`, as `ends_as`; its reminders begin anew."""
        await self._session.execute(
            self._change(acceptance.id).values(
                ends_at=at,
                ends_as=ends_as,
                grace_days=acceptance.grace_days if grace_days is None else grace_days,
                reminded_days=None,
            )
        )

    async def end(self, acceptance: Acceptance, status: AcceptanceStatus, *, at: datetime | None) -> None:
        """It is over, since `at`. No document is made of it any more, unless it was in force."""
        was_active = acceptance.status is AcceptanceStatus.ACTIVE
        change = self._change(acceptance.id).values(
            status=status, awaits_document=acceptance.awaits_document and was_active
        )
        if status is not AcceptanceStatus.EXPIRED:
            change = change.values(ends_at=at, ends_as=status)
        await self._session.execute(change)

    async def note_reminder(self, acceptance: AcceptanceId, days: int) -> None:
        await self._session.execute(self._change(acceptance).values(reminded_days=days))

    def _change(self, acceptance: AcceptanceId) -> Update:
        return update(AcceptanceRow).where(AcceptanceRow.org_id == self._org, AcceptanceRow.id == acceptance)


def affirmation_place(acceptance: str) -> str:
    return f"baa_acceptances.affirmation/{acceptance}"


def document_place(acceptance: str) -> str:
    return f"baa_documents.content/{acceptance}"


def _acceptance(found: Found) -> Acceptance:
    row, document = found
    return Acceptance(
        id=AcceptanceId(row.id),
        org=OrganizationId(row.org_id),
        template_version=row.template_version,
        template_sha256=row.template_sha256,
        covers=tuple(row.covers),
        accepted_at=row.accepted_at,
        effective_at=row.effective_at,
        expires_at=row.expires_at,
        ends_at=row.ends_at,
        ends_as=AcceptanceStatus(row.ends_as) if row.ends_as else None,
        grace_days=row.grace_days,
        status=AcceptanceStatus(row.status),
        awaits_document=row.awaits_document,
        reminded_days=row.reminded_days,
        document=StoredDocument(document.sha256, document.size, document.signed_at) if document else None,
    )
