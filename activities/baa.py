"""An accepted agreement becomes a signed document and takes effect; what ends is ended and told of."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from temporalio import activity

from activities.cursor import Cursor
from activities.starting import Start
from activities.surface import surfaced
from gateway.baa.acceptance import Acceptance, Affirmation
from gateway.baa.countersigning import seal_files
from gateway.baa.document import DocumentError, typeset
from gateway.baa.evidence import Evidence, Operator, SealDescription
from gateway.baa.pades import SealingError, seal_document
from gateway.baa.seal import SealError, read_seal
from gateway.baa.template import Cover, template_of, templates
from gateway.errors import UnavailableError
from gateway.ids import AcceptanceId, OrganizationId
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from gateway.timestamps.authority import TimeStampAuthority
from storage import Storage, agreement_queues, agreements
from storage.agreement_queues import Queued
from storage.agreements import NothingToDoError
from storage.transaction import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Ids only: who accepted is in the database, sealed."""

    org: str
    acceptance: str


@dataclass(frozen=True, slots=True)
class SeenPage:
    """`next` is absent when there are no more."""

    seen: int
    next: Cursor | None = None


class AcceptanceWorkflows(Protocol):
    """Where acceptances are worked on."""

    async def start(self, org: OrganizationId, acceptance: AcceptanceId) -> None:
        """Have `acceptance` worked on. Safe to repeat: one that is being worked on is left alone."""
        ...


def starts_acceptance(workflows: AcceptanceWorkflows) -> Start:
    """Of `baa.accepted`."""
    return lambda event: workflows.start(event.org, AcceptanceId(str(event.data["acceptance_id"])))


class BaaActivities:
    """Each is safe to run twice, also at once: what it would do a second time it finds done, under a lock."""

    def __init__(
        self,
        storage: Storage,
        workflows: AcceptanceWorkflows,
        settings: Settings,
        authority: TimeStampAuthority | None,
    ) -> None:
        self._storage = storage
        self._workflows = workflows
        self._settings = settings
        self._authority = authority
        self._reaccept_within = timedelta(days=settings.baa_reaccept_days)

    @activity.defn(name="baa.make_document")
    @surfaced
    async def make_document(self, accepted: Accepted) -> None:
        """Typeset, sign and keep the document, unless it is there. Asks the time-stamp authority, if there is one.

        Of two that are made at once the first that is kept is the document; the other was never seen by anybody.
        """
        org, acceptance_id = OrganizationId(accepted.org), AcceptanceId(accepted.acceptance)
        async with self._storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as view:
            acceptance = await view.agreements.find(acceptance_id)
            if not acceptance.awaits_document:
                return
            affirmation = await view.agreements.affirmation(acceptance_id)
        try:
            signed = await self._signed(acceptance, affirmation)
        except (SealError, SealingError, DocumentError) as failure:
            # Texts that are made to be read by operators: which file, and what is wrong with it.
            log.warning("agreement_not_signed", acceptance_id=acceptance_id, cause=str(failure))
            raise UnavailableError(str(failure)) from None
        await self._once(org, lambda tx: agreements.keep_document(tx, acceptance_id, signed))

    @activity.defn(name="baa.activate")
    @surfaced
    async def activate(self, accepted: Accepted) -> None:
        """Put the acceptance in force in place of the one before, unless it is, or was ended meanwhile."""
        acceptance = AcceptanceId(accepted.acceptance)
        await self._once(OrganizationId(accepted.org), lambda tx: agreements.activate(tx, acceptance))

    @activity.defn(name="baa.start_page")
    @surfaced
    async def start_page(self, cursor: Cursor) -> SeenPage:
        """Have a page of acceptances worked on that nobody finished: whatever took their workflow away."""
        page = await agreement_queues.awaiting_document(self._storage.pool, after=cursor.after)
        for each in page:
            await self._workflows.start(each.org, each.id)
        return _seen(page)

    @activity.defn(name="baa.keep_page")
    @surfaced
    async def keep_page(self, cursor: Cursor) -> SeenPage:
        """Note ends that have come and tell of those that near, for a page of agreements."""
        now = self._storage.clock.now()
        page = await agreement_queues.due(self._storage.pool, now=now, after=cursor.after)
        return await self._each(page, lambda tx, acceptance: agreements.keep_up(tx, acceptance, now=now))

    @activity.defn(name="baa.renew_page")
    @surfaced
    async def renew_page(self, cursor: Cursor) -> SeenPage:
        """Set a deadline to a page of agreements in force whose text this version knows to be an older one."""
        now, within = self._storage.clock.now(), self._reaccept_within
        # By the hashes of older texts, not by "another than mine": workers of two versions may run at once.
        older = [template.sha256 for template in templates()[:-1]]
        page = await agreement_queues.outdated(
            self._storage.pool, older=older, now=now, within=within, after=cursor.after
        )
        return await self._each(
            page, lambda tx, acceptance: agreements.require_reacceptance(tx, acceptance, now=now, within=within)
        )

    async def _signed(self, acceptance: Acceptance, affirmation: Affirmation) -> bytes:
        settings, operator = self._settings, affirmation.operator
        if operator is None:
            raise ValueError("a document is awaited, and nobody is there to countersign it")
        # Read each time: a seal that was replaced, or put right, is used without a restart.
        now = self._storage.clock.now()
        seal = await asyncio.to_thread(read_seal, seal_files(settings), now)
        evidence = evidence_of(acceptance, affirmation, operator, seal.describe(self._authority))
        template = template_of(acceptance.template_sha256)
        document = await asyncio.to_thread(typeset, template, evidence, settings.baa_fonts)
        return await seal_document(document, evidence, seal, self._authority, now)

    async def _each(
        self, page: list[Queued], change: Callable[[Transaction, AcceptanceId], Awaitable[None]]
    ) -> SeenPage:
        for each in page:
            await self._once(each.org, lambda tx, acceptance=each.id: change(tx, acceptance))
        return _seen(page)

    async def _once(self, org: OrganizationId, change: Callable[[Transaction], Awaitable[None]]) -> None:
        with suppress(NothingToDoError):
            async with self._storage.as_operator(org, command="baa") as tx:
                await change(tx)


def evidence_of(
    acceptance: Acceptance, affirmation: Affirmation, operator: Operator, seal: SealDescription
) -> Evidence:
    return Evidence(
        document=acceptance.id,
        organization=acceptance.org,
        organization_name=affirmation.organization_name,
        operator=operator,
        signatory=affirmation.signatory,
        origin=affirmation.origin,
        template_version=acceptance.template_version,
        template_sha256=acceptance.template_sha256,
        acceptance_text=affirmation.acceptance_text,
        covers=tuple(map(Cover, acceptance.covers)),
        text_fetched_at=affirmation.text_fetched_at,
        accepted_at=acceptance.accepted_at,
        effective_at=acceptance.effective_at,
        expires_at=acceptance.expires_at,
        seal=seal,
    )


def _seen(page: list[Queued]) -> SeenPage:
    return SeenPage(len(page), Cursor(page[-1].id) if len(page) == agreement_queues.PAGE else None)
