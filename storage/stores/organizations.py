"""The organisation itself: its creation and its policy."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import NotFoundError
from gateway.events import Event
from gateway.ids import OrganizationId
from gateway.organization_policy import OrganizationPolicy
from gateway.phi.findings import Entity
from gateway.phi.screening import Profile
from gateway.retention import Retention
from gateway.tenancy import DEFAULT_TIER, PhiMode, StorageMode, Unscannable
from storage.accounts import ORGANIZATION
from storage.budget_alerts import newly_reached
from storage.data_keys import new_data_key
from storage.encryption import ContentCipher
from storage.root_keys import RootKeys
from storage.tables import AccountRow, DataKeyRow, EntryRow, OrganizationRow
from storage.terms import Terms, open_terms, seal_terms

_AS_THEY_ARE = (
    "phi_mode",
    "phi_profile",
    "phi_threshold_milli",
    "phi_answers",
    "restore_answers",
    "unscannable",
    "storage_mode",
    "retention_days",
    "minimum_retention_days",
    "legal_hold",
    "retention_floor_days",
    "retention_floor_until",
    "hold_until",
    "phi_retrieval_behavior",
    "default_model",
    "opus_enabled",
    "failover_enabled",
    "spend_cap",
    "time_zone",
    "anchor_day",
    "rollover_limit",
    "tier",
)
"""Fields of the policy that are columns of the same name and form."""


@dataclass(frozen=True, slots=True)
class Organization:
    id: OrganizationId
    name: str
    credits_allotment: int


class OrganizationReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(self) -> Organization:
        """Raises `NotFoundError`."""
        row = await self._session.get(OrganizationRow, self._org)
        if row is None:
            raise NotFoundError("The organization does not exist.")
        return Organization(self._org, row.name, row.credits_allotment)

    async def policy(self) -> OrganizationPolicy:
        """Its own lists opened. Raises `NotFoundError`, and `UnavailableError` for lists that do not open."""
        row = await self._session.get(OrganizationRow, self._org)
        if row is None:
            raise NotFoundError("The organization does not exist.")
        return await self._policy(row)

    async def _policy(self, row: OrganizationRow) -> OrganizationPolicy:
        terms = await open_terms(self._cipher, self._org, row.phi_terms)
        return OrganizationPolicy(
            version=row.policy_version,
            phi_mode=PhiMode(row.phi_mode),
            phi_profile=Profile(row.phi_profile),
            phi_entities=None if row.phi_entities is None else frozenset(map(Entity, row.phi_entities)),
            phi_threshold_milli=row.phi_threshold_milli,
            phi_deny_terms=terms.deny,
            phi_allow_terms=terms.allow,
            # The table's own checks allow nothing else.
            phi_answers=cast("Literal['record', 'block']", row.phi_answers),
            restore_answers=row.restore_answers,
            unscannable=cast("Unscannable", row.unscannable),
            storage_mode=StorageMode(row.storage_mode),
            retention_days=row.retention_days,
            minimum_retention_days=row.minimum_retention_days,
            legal_hold=row.legal_hold,
            retention_floor_days=row.retention_floor_days,
            retention_floor_until=row.retention_floor_until,
            hold_until=row.hold_until,
            phi_retrieval_behavior=PhiMode(row.phi_retrieval_behavior),
            allowed_tools=tuple(row.allowed_tools),
            default_model=row.default_model,
            opus_enabled=row.opus_enabled,
            premium_models=tuple(row.premium_models),
            failover_enabled=row.failover_enabled,
            spend_cap=row.spend_cap,
            alert_thresholds=tuple(row.alert_thresholds),
            time_zone=row.time_zone,
            anchor_day=row.anchor_day,
            rollover_limit=row.rollover_limit,
            tier=row.tier,
        )


class OrganizationStore(OrganizationReader):
    def __init__(
        self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, root_keys: RootKeys, clock: Clock
    ) -> None:
        super().__init__(session, org, cipher)
        self._root_keys = root_keys
        self._clock = clock

    async def add(
        self, *, name: str, credits_allotment: int, spend_cap: int | None = None, tier: str = DEFAULT_TIER
    ) -> Organization:
        """Create this transaction's organisation, with its first data key."""
        self._session.add(
            OrganizationRow(
                id=self._org,
                name=name,
                created_at=self._clock.now(),
                credits_allotment=credits_allotment,
                spend_cap=spend_cap,
                tier=tier,
            )
        )
        await self._session.flush()
        await self.add_data_key()
        return Organization(self._org, name, credits_allotment)

    async def set_policy(self, **changes: Any) -> tuple[OrganizationPolicy, OrganizationPolicy]:  # noqa: ANN401
        """Change what `changes` names of the policy; returns it as it was and as it is.

        Every API process hears of it when this commits, and a spend cap holds in
        the current period from then on. Raises `NotFoundError`,
        `ValidationFailedError` for choices that do not go together, and
        `UnavailableError` when the lists of terms cannot be opened or sealed.
        """
        # Without the key share that running calls take of this row while they have the account that we want next.
        row = await self._session.get(OrganizationRow, self._org, with_for_update={"key_share": True})
        if row is None:
            raise NotFoundError("The organization does not exist.")
        before = await self._policy(row)
        after = before.changed(changes, now=self._clock.now())
        terms = Terms(after.phi_deny_terms, after.phi_allow_terms)
        if terms != Terms(before.phi_deny_terms, before.phi_allow_terms):
            row.phi_terms = await seal_terms(self._cipher, self._org, terms)
        for name in _AS_THEY_ARE:
            setattr(row, name, getattr(after, name))
        row.phi_entities = None if after.phi_entities is None else sorted(after.phi_entities)
        row.premium_models = [*after.premium_models]
        row.allowed_tools = [*after.allowed_tools]
        row.alert_thresholds = [*after.alert_thresholds]
        row.policy_version = after.version
        await self._session.flush()
        if (after.spend_cap, after.alert_thresholds) != (before.spend_cap, before.alert_thresholds):
            await self._budget_open_accounts(after)
        return before, after

    async def set_allotment(self, allotment: int, *, change: str) -> int:
        """Promise so many credits a period, the current one included; returns what it was.

        The difference is an entry under the id `change`. Raises `NotFoundError`.
        """
        row = await self._session.get(OrganizationRow, self._org, with_for_update={"key_share": True})
        if row is None:
            raise NotFoundError("The organization does not exist.")
        before, row.credits_allotment = row.credits_allotment, allotment
        running = (AccountRow.org_id == self._org, AccountRow.period_end > self._clock.now())
        accounts = select(AccountRow).where(*running, AccountRow.holder == ORGANIZATION)
        for account in await self._session.scalars(accounts.order_by(AccountRow.period_start).with_for_update()):
            more = allotment - (account.allotment or 0)
            account.allotment = allotment
            if more:
                self._session.add(_granted(account, more, change=change, at=self._clock.now()))
        await self._session.flush()
        return before

    async def _budget_open_accounts(self, policy: OrganizationPolicy) -> None:
        # Of later periods too: a process whose clock is ahead may have opened the next one's.
        accounts = (
            AccountRow.org_id == self._org,
            AccountRow.holder == ORGANIZATION,
            AccountRow.period_end > self._clock.now(),
        )
        # Calls lock accounts in the order of their periods.
        locked = select(AccountRow.period_start).where(*accounts).order_by(AccountRow.period_start).with_for_update()
        await self._session.execute(locked)
        await self._session.execute(
            update(AccountRow)
            .where(*accounts)
            .values(spend_cap=policy.spend_cap, alert_thresholds=[*policy.alert_thresholds])
        )

    async def newly_reached(self) -> list[Event]:
        """What its budget, as it is now, has been brought to already and nobody was told: told of from here on."""
        return await newly_reached(self._session, self._org, now=self._clock.now())

    async def add_data_key(self) -> int:
        """A new data key version; content is sealed under it from now on."""
        newest = await self._session.scalar(
            select(func.coalesce(func.max(DataKeyRow.version), 0)).where(DataKeyRow.org_id == self._org)
        )
        version = (newest or 0) + 1
        self._session.add(
            DataKeyRow(
                org_id=self._org,
                version=version,
                wrapped=await new_data_key(self._root_keys, self._org, version),
                root_key=self._root_keys.name,
                created_at=self._clock.now(),
            )
        )
        await self._session.flush()
        return version


def _granted(account: AccountRow, amount: int, *, change: str, at: datetime) -> EntryRow:
    """Credits given to a period that runs, or taken from it."""
    phase, debit, credit = ("grant", "issued", "available") if amount > 0 else ("withdraw", "available", "issued")
    return EntryRow(
        id=f"{change}:{account.period_start:%Y-%m-%d}",
        phase=phase,
        org_id=account.org_id,
        period_start=account.period_start,
        debit=debit,
        credit=credit,
        amount=abs(amount),
        created_at=at,
    )


def retention_of(row: OrganizationRow) -> Retention:
    """How long its content is kept by now."""
    return Retention(
        row.retention_days, row.legal_hold, row.retention_floor_days, row.retention_floor_until, row.hold_until
    )
