"""Transactions as the rest of the code sees them: bound to one organisation, and audited.

`begin` writes, `read` only reads and says so in its type. A tenant is part of
how a transaction is made; PostgreSQL's row security holds the same line again.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from pydantic import JsonValue
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from gateway.audit import AuditAction, PhiDisposition
from gateway.clock import Clock
from gateway.errors import UnavailableError, ValidationFailedError
from gateway.events import Event
from gateway.ids import OrganizationId, new_ulid
from storage.agents.cascades import CascadeReader, CascadeStore
from storage.agents.credentials import CredentialReader, CredentialStore
from storage.agents.registry import AgentReader, AgentStore
from storage.apps.jobs import JobReader, JobStore
from storage.apps.store import AppReader, AppStore
from storage.encryption import ContentCipher
from storage.end_users.erasures import ErasureReader, ErasureStore
from storage.end_users.exports.store import EndUserExportReader, EndUserExportStore
from storage.end_users.registry import EndUserReader, EndUserStore
from storage.end_users.revived import RevivedStore
from storage.files.store import FileReader, FileStore
from storage.harness.presets import PresetReader, PresetStore
from storage.harness.runs import RunReader, RunStore
from storage.keyring import Ring
from storage.root_keys import RootKeys
from storage.stores.agreements import AgreementReader, AgreementStore
from storage.stores.audit_exports import AuditExportReader, AuditExportStore
from storage.stores.audit_log import AuditLog
from storage.stores.idempotency import AnswerReader, AnswerStore
from storage.stores.inferences import InferenceReader
from storage.stores.keys import KeyReader, KeyStore
from storage.stores.organizations import OrganizationReader, OrganizationStore
from storage.stores.usage import UsageReader
from storage.stores.usage_reports import UsageReportReader
from storage.tables import AuditEntryRow, AuditPendingRow, OutboxRow
from storage.webhooks.endpoints import EndpointReader, EndpointStore
from storage.webhooks.listing import DeliveryReader, DeliveryStore
from storage.webhooks.replays import ReplayReader, ReplayStore


class UnauditedChangeError(Exception):
    """A transaction changed something and told the audit log nothing. A bug of ours; nothing was committed."""


class ReadTransaction:
    """One consistent view of one organisation."""

    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self.keys = KeyReader(session, org)
        self.agents = AgentReader(session, org)
        self.agent_credentials = CredentialReader(session, org)
        self.agent_cascades = CascadeReader(session, org)
        self.apps = AppReader(session, org, cipher)
        self.app_jobs = JobReader(session, org, cipher)
        self.organization = OrganizationReader(session, org, cipher)
        self.files = FileReader(session, org, cipher)
        self.presets = PresetReader(session, org, cipher)
        self.chat_runs = RunReader(session, org, cipher)
        self.inferences = InferenceReader(session, org, cipher)
        self.usage = UsageReader(session, org)
        self.usage_reports = UsageReportReader(session, org)
        self.agreements = AgreementReader(session, org, cipher)
        self.audit_log = AuditLog(session, org)
        self.audit_exports = AuditExportReader(session, org)
        self.end_user_exports = EndUserExportReader(session, org, cipher)
        self.end_users = EndUserReader(session, org, cipher)
        self.webhook_deliveries = DeliveryReader(session, org, cipher)
        self.webhook_replays = ReplayReader(session, org)
        self.webhooks = EndpointReader(session, org)
        self.answers = AnswerReader(session, org, cipher)
        self.end_user_erasures = ErasureReader(session, org, cipher)


class Transaction(ReadTransaction):
    """Changes to one organisation. Commits at the end of its block, together with its audit entries and events."""

    def __init__(
        self,
        session: AsyncSession,
        org: OrganizationId,
        cipher: ContentCipher,
        *,
        peppers: Ring,
        root_keys: RootKeys,
        clock: Clock,
        actor: str | None,
        ip_address: str | None,
        about: Mapping[str, JsonValue],
    ) -> None:
        """`about` goes into the metadata of every entry."""
        super().__init__(session, org, cipher)
        self.keys = KeyStore(session, org, peppers, clock)
        self.agents = AgentStore(session, org, clock)
        self.agent_cascades = CascadeStore(session, org, clock)
        self.agent_credentials = CredentialStore(session, org, peppers, clock)
        self.apps = AppStore(session, org, cipher, clock)
        self.app_jobs = JobStore(session, org, cipher, clock)
        self.agreements = AgreementStore(session, org, cipher, clock)
        self.files = FileStore(session, org, cipher, clock)
        self.presets = PresetStore(session, org, cipher, clock)
        self.chat_runs = RunStore(session, org, cipher, clock)
        self.audit_exports = AuditExportStore(session, org, clock)
        self.end_user_exports = EndUserExportStore(session, org, cipher, clock)
        self.end_users = EndUserStore(session, org, cipher, clock)
        self.webhook_deliveries = DeliveryStore(session, org, cipher)
        self.webhook_replays = ReplayStore(session, org, clock)
        self.organization = OrganizationStore(session, org, cipher, root_keys, clock)
        self.webhooks = EndpointStore(session, org, cipher, clock)
        self.answers = AnswerStore(session, org, cipher, clock)
        self.end_user_erasures = ErasureStore(session, org, cipher, clock)
        self.revived = RevivedStore(session, org)
        self._session = session
        self._org = org
        self._now = clock.now()
        self.actor = actor
        """Who changes it, as the audit log names them; None when nobody is known."""
        self._ip_address = ip_address
        self._about = about
        self._audited = False

    def audit(
        self,
        action: AuditAction,
        *,
        entity_type: str,
        entity_id: str,
        metadata: Mapping[str, JsonValue] | None = None,
        phi: PhiDisposition = PhiDisposition.NOT_PRESENT,
        subject: str | None = None,
    ) -> str:
        """Write an audit entry with this transaction; returns its id. `metadata` is ids, numbers and enums only.

        `subject` is the digest of the end user whom it concerns.
        """
        entry = AuditEntryRow(
            id=new_ulid(),
            org_id=self._org,
            action=action,
            entity_type=entity_type,
            entity_id=entity_id,
            actor=self.actor,
            ip_address=self._ip_address,
            entry_metadata={**self._about, **(metadata or {})},
            phi_disposition=phi,
            subject_type="end_user" if subject else None,
            subject_id_hmac=subject,
            created_at=self._now,
        )
        self._session.add(entry)
        self._session.add(AuditPendingRow(entry_id=entry.id))
        self._audited = True
        return entry.id

    def tell(self, event: Event) -> None:
        """Put an event into the outbox with this transaction."""
        self._session.add(
            OutboxRow(id=new_ulid(), org_id=self._org, type=event.type, data=dict(event.data), created_at=self._now)
        )

    def require_audit(self) -> None:
        if not self._audited:
            raise UnauditedChangeError


@asynccontextmanager
async def tenant_session(engine: AsyncEngine, org: OrganizationId, *, writes: bool) -> AsyncGenerator[AsyncSession]:
    """A session that sees one organisation's rows; commits when `writes` and the block ends well.

    Raises `ValidationFailedError` for a value that PostgreSQL cannot hold, such as a text with a NUL character.
    """
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            await session.execute(text("select set_config('hasp.organization', :org, true)"), {"org": org})
            if not writes:
                await session.execute(text("set transaction read only"))
            yield session
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise UnavailableError from error
    except DataError:
        # Without its cause, which carries the values.
        raise ValidationFailedError from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise UnavailableError from error
        raise
