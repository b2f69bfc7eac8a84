"""The open store of one process: its pools, its keys, and the transactions made from them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Self

from pydantic import JsonValue
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.clock import Clock, SystemClock
from gateway.errors import NotFoundError, UnavailableError
from gateway.ids import OrganizationId
from gateway.settings import Settings
from gateway.tenancy import Principal
from storage.access import AccessCache
from storage.agents.introspection import Introspection
from storage.agents.invocations import Invocations
from storage.answered_items import AnsweredItems
from storage.audit_keys import PublishedKeys
from storage.clock_check import MOST_APART, apart
from storage.encryption import ContentCipher
from storage.end_users.binding import EndUsers
from storage.end_users.replaying import TombstoneReplay
from storage.end_users.tombstones import Tombstones
from storage.idempotency import IdempotencyClaims
from storage.journal import PostgresJournal
from storage.key_issue import begin_grace
from storage.keyring import Keyring, read_keyring
from storage.leases import Leases
from storage.limits import open_buckets
from storage.pool import STATEMENT_TIMEOUT_MS, Pool, open_pool
from storage.root_keys import FileRootKeys, RootKeys, VaultRootKeys
from storage.standing import Standing
from storage.stores.provider_health import ProviderHealth
from storage.transaction import ReadTransaction, Transaction, tenant_session

_AROUND_A_CALL = timedelta(minutes=2)
"""What a call may last beyond its provider: the guard before, a slow reader after."""


class Storage:
    """Everything kept. Opens without the database, so that a process starts, answers 503 and recovers by itself."""

    def __init__(
        self,
        settings: Settings,
        *,
        keyring: Keyring,
        pool: Pool,
        engine: AsyncEngine,
        root_keys: RootKeys,
        clock: Clock,
        operator: str | None = None,
    ) -> None:
        self.pool = pool
        self.keyring = keyring
        self.root_keys = root_keys
        self.cipher = ContentCipher(pool, root_keys)
        self.tombstones = Tombstones(settings.tombstones_file, keyring.subject)
        self.replay = TombstoneReplay(
            pool,
            self.tombstones,
            lambda org: self.as_operator(org, command="tombstones"),
            clock,
            backup_keep_days=settings.backup_keep_days,
        )
        self.access = AccessCache(
            pool,
            str(settings.database_url),
            keyring.pepper,
            self.cipher,
            clock,
            self._first_use,
            may_serve=lambda: self.replay.is_done,
        )
        lease = timedelta(seconds=settings.hold_lease_s)
        longest_call = timedelta(seconds=settings.upstream_total_timeout_s) + _AROUND_A_CALL
        self.invocations = Invocations(pool, clock=clock, lease=lease, longest_call=longest_call)
        self.access.on_change(self.invocations.heard)
        self.standing = Standing(pool, self.cipher, clock)
        self.end_users = EndUsers(pool, self.cipher)
        self.journal = PostgresJournal(
            pool,
            self.cipher,
            self.end_users,
            Leases(pool, clock=clock, lease=lease, longest_call=longest_call),
            self.invocations,
        )
        self.answered_items = AnsweredItems(pool, self.cipher)
        self.introspection = Introspection(pool, keyring.pepper, clock)
        self.audit_keys = PublishedKeys(pool)
        self.provider_health = ProviderHealth(pool)
        self.rate_buckets = open_buckets(settings, pool)
        self.idempotency = IdempotencyClaims(pool, keyring.pepper, clock)
        self._engine = engine
        self._operator = operator
        self.clock = clock

    @classmethod
    async def open(cls, settings: Settings, *, clock: Clock | None = None, operator: str | None = None) -> Self:
        """`operator` is who is at the command line, if anybody is. Raises `KeyringError` for an unusable keyring."""
        keyring = read_keyring(settings.keyring_file)
        url = str(settings.database_url)
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=3,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"options": f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c TimeZone=UTC"},
        )
        pool = await open_pool(url, size=settings.database_pool_size)
        root_keys = _root_keys(settings, keyring)
        return cls(
            settings,
            keyring=keyring,
            pool=pool,
            engine=engine,
            root_keys=root_keys,
            clock=clock or SystemClock(),
            operator=operator,
        )

    async def close(self) -> None:
        """Make what was submitted durable, then let go of everything."""
        await self.rate_buckets.close()
        await self.journal.close_down()
        await self.access.close()
        await self.root_keys.close()
        await self.pool.close()
        await self._engine.dispose()

    @asynccontextmanager
    async def begin(self, principal: Principal, *, ip_address: str | None = None) -> AsyncGenerator[Transaction]:
        """A transaction of `principal`'s organisation that must audit what it changes.

        Raises `UnauditedChangeError` and commits nothing when it did not, `UnavailableError` without a database.
        """
        about = principal.delegation.facts if principal.delegation is not None else {}
        async with self._transaction(principal.org, principal.actor, ip_address, about=about) as tx:
            yield tx

    @asynccontextmanager
    async def read(self, principal: Principal) -> AsyncGenerator[ReadTransaction]:
        """A read-only transaction of `principal`'s organisation."""
        async with tenant_session(self._engine, principal.org, writes=False) as session:
            yield ReadTransaction(session, principal.org, self.cipher)

    @asynccontextmanager
    async def as_operator(self, org: OrganizationId, *, command: str) -> AsyncGenerator[Transaction]:
        """A transaction of the installation's operator, audited as who is at the command line, with `command`.

        Where nobody is, as in a worker, it is audited as `system:<command>`.
        """
        about = {"command": command} if self._operator else {}
        async with self._transaction(org, self.acting_as(command), None, about=about) as tx:
            yield tx

    def acting_as(self, command: str) -> str:
        """Who acts when `command` does, in the audit log's spelling."""
        return self._operator or f"system:{command}"

    async def health(self) -> dict[str, bool]:
        """State of each dependency; never raises."""
        try:
            off = await apart(self.pool, self.clock)
        except UnavailableError:
            return self._health(database=False, clock=True)
        return self._health(database=True, clock=off <= MOST_APART)

    def _health(self, *, database: bool, clock: bool) -> dict[str, bool]:
        states = {"database": database, "access_channel": self.access.listening, "clock": clock}
        return states if self.tombstones.path is None else states | {"tombstones": self.replay.is_done}

    async def _first_use(self, principal: Principal, address: str | None) -> None:
        """A key that replaces another is used. Safe to repeat, also at once: only the first starts the grace."""
        if principal.key is not None:
            with suppress(NotFoundError):
                async with self.begin(principal, ip_address=address) as tx:
                    await begin_grace(tx, principal.key)

    @asynccontextmanager
    async def _transaction(
        self,
        org: OrganizationId,
        who: str | None,
        ip_address: str | None,
        *,
        about: Mapping[str, JsonValue] | None = None,
    ) -> AsyncGenerator[Transaction]:
        async with tenant_session(self._engine, org, writes=True) as session:
            tx = Transaction(
                session,
                org,
                self.cipher,
                peppers=self.keyring.pepper,
                root_keys=self.root_keys,
                clock=self.clock,
                actor=who,
                ip_address=ip_address,
                about=about or {},
            )
            yield tx
            tx.require_audit()


def _root_keys(settings: Settings, keyring: Keyring) -> RootKeys:
    if settings.vault_address is None:
        return FileRootKeys(keyring.root)
    token = settings.vault_token.get_secret_value() if settings.vault_token else ""
    return VaultRootKeys(address=settings.vault_address, token=token, key=settings.vault_transit_key)
