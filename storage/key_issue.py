"""API keys come and go: each time with its audit entry and its event, whoever asked."""

from collections.abc import Collection

from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.ids import ApiKeyId
from gateway.keys.api_key import ApiKey
from gateway.tenancy import KeyMode, Scope
from storage.transaction import Transaction


async def issue_key(tx: Transaction, *, name: str, scopes: Collection[Scope], mode: KeyMode) -> tuple[ApiKey, str]:
    """A key of the transaction's organisation, and its plaintext, which is kept nowhere."""
    key, plaintext = await tx.keys.add(name=name, scopes=scopes, mode=mode)
    tx.audit(
        AuditAction.API_KEY_CREATED,
        entity_type="api_key",
        entity_id=key.id,
        metadata={"scopes": [scope.value for scope in key.scopes], "mode": key.mode.value},
    )
    tx.tell(Event(EventType.API_KEY_CREATED, {"key_id": key.id, "mode": key.mode.value}))
    return key, plaintext


async def revoke_key(tx: Transaction, key_id: ApiKeyId) -> ApiKey:
    """Raises `NotFoundError` for a key that is unknown, another organisation's, or revoked already."""
    key = await tx.keys.revoke(key_id)
    tx.audit(AuditAction.API_KEY_REVOKED, entity_type="api_key", entity_id=key.id)
    tx.tell(Event(EventType.API_KEY_REVOKED, {"key_id": key.id, "mode": key.mode.value}))
    return key
