"""The schema, defined once. Rows never leave `storage`."""

from storage.tables.agents import (
    AgentCascadeItemRow,
    AgentCascadeRow,
    AgentCredentialRow,
    AgentInvocationRow,
    AgentRow,
    AgentToolUseRow,
)
from storage.tables.agreements import AcceptanceRow, BaaDocumentRow
from storage.tables.api_keys import ApiKeyRow, AutoModeRow, KeyNoticeRow
from storage.tables.apps import AppJobRow, AppJobStepRow, AppRow
from storage.tables.audit import (
    AuditAnchorRow,
    AuditCheckpointRow,
    AuditEntryRow,
    AuditExportPageRow,
    AuditExportRow,
    AuditKeyRow,
    AuditPendingRow,
    AuditSealRow,
)
from storage.tables.chat_runs import ChatRunRow
from storage.tables.content_keys import ContentKeyRow
from storage.tables.credits import AccountRow, BudgetAlertRow, EntryRow, HoldRow
from storage.tables.end_users import (
    EndUserDigestKeyRow,
    EndUserErasureRow,
    EndUserExportPartRow,
    EndUserExportRow,
    EndUserKeyRow,
    EndUserRow,
)
from storage.tables.files import FileChunkRow, FileMeaningRow, FileRow
from storage.tables.idempotency import IdempotencyRow
from storage.tables.inferences import FindingsRow, InferenceRow, UsageRow
from storage.tables.organizations import DataKeyRow, OrganizationRow
from storage.tables.outbox import OutboxRow
from storage.tables.presets import PresetRow
from storage.tables.provider_health import ProviderCircuitRow, ProviderHealthRow
from storage.tables.rate_limits import RateBucketRow
from storage.tables.refusals import RefusalCountRow
from storage.tables.retention import RetentionPurgeRow
from storage.tables.schema import Row
from storage.tables.webhooks import (
    WebhookAttemptRow,
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookHealthRow,
    WebhookReplayItemRow,
    WebhookReplayRow,
    WebhookSecretRow,
)

__all__ = [
    "AcceptanceRow",
    "AccountRow",
    "AgentCascadeItemRow",
    "AgentCascadeRow",
    "AgentCredentialRow",
    "AgentInvocationRow",
    "AgentRow",
    "AgentToolUseRow",
    "ApiKeyRow",
    "AppJobRow",
    "AppJobStepRow",
    "AppRow",
    "AuditAnchorRow",
    "AuditCheckpointRow",
    "AuditEntryRow",
    "AuditExportPageRow",
    "AuditExportRow",
    "AuditKeyRow",
    "AuditPendingRow",
    "AuditSealRow",
    "AutoModeRow",
    "BaaDocumentRow",
    "BudgetAlertRow",
    "ChatRunRow",
    "ContentKeyRow",
    "DataKeyRow",
    "EndUserDigestKeyRow",
    "EndUserErasureRow",
    "EndUserExportPartRow",
    "EndUserExportRow",
    "EndUserKeyRow",
    "EndUserRow",
    "EntryRow",
    "FileChunkRow",
    "FileMeaningRow",
    "FileRow",
    "FindingsRow",
    "HoldRow",
    "IdempotencyRow",
    "InferenceRow",
    "KeyNoticeRow",
    "OrganizationRow",
    "OutboxRow",
    "PresetRow",
    "ProviderCircuitRow",
    "ProviderHealthRow",
    "RateBucketRow",
    "RefusalCountRow",
    "RetentionPurgeRow",
    "Row",
    "UsageRow",
    "WebhookAttemptRow",
    "WebhookDeliveryRow",
    "WebhookEndpointRow",
    "WebhookHealthRow",
    "WebhookReplayItemRow",
    "WebhookReplayRow",
    "WebhookSecretRow",
]
