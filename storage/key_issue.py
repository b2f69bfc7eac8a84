"""API keys come, change and go: each time with its audit entry and its event, whoever asked."""

from collections.abc import Collection
from datetime import datetime

from pydantic import JsonValue

from gateway.audit import AuditAction
from gateway.events import Event, EventType
from gateway.ids import ApiKeyId
from gateway.keys.api_key import ApiKey, KeyChanges
from gateway.keys.networks import Network
from gateway.tenancy import KeyMode, Scope
from storage.transaction import Transaction


async def issue_key(
    tx: Transaction,
    *,
    name: str,
    scopes: Collection[Scope],
    mode: KeyMode,
    expires_at: datetime | None = None,
    networks: Collection[Network] = (),
    credit_cap: int | None = None,
    owner: str | None = None,
) -> tuple[ApiKey, str]:
    """A key of the transaction's organisation, and its plaintext, which is kept nowhere."""
    key, plaintext = await tx.keys.add(
        name=name,
        scopes=scopes,
        mode=mode,
        expires_at=expires_at,
        networks=networks,
        credit_cap=credit_cap,
        owner=owner,
    )
    tx.audit(
        AuditAction.API_KEY_CREATED,
        entity_type="api_key",
        entity_id=key.id,
        metadata={"scopes": [scope.value for scope in key.scopes], "mode": key.mode.value, **_bounds(key)},
    )
    tx.tell(_event(EventType.API_KEY_CREATED, key))
    return key, plaintext


async def change_key(tx: Transaction, key_id: ApiKeyId, changes: KeyChanges) -> ApiKey:
    """Raises `NotFoundError` as `revoke_key` does."""
    before = await tx.keys.lock(key_id)
    key = await tx.keys.change(key_id, changes)
    tx.audit(
        AuditAction.API_KEY_UPDATED,
        entity_type="api_key",
        entity_id=key.id,
        # A name is free text: that it changed is told, not to what.
        metadata={
            "changed": [*sorted(changes)],
            "before": _bounds(before) | _models(before),
            "after": _bounds(key) | _models(key),
        },
    )
    tx.tell(_event(EventType.API_KEY_UPDATED, key))
    return key


async def rotate_key(tx: Transaction, key_id: ApiKeyId, *, grace_s: int) -> tuple[ApiKey, str]:
    """A successor and its plaintext. Raises as `KeyStore.rotate` does."""
    key, plaintext = await tx.keys.rotate(key_id, grace_s=grace_s)
    tx.audit(
        AuditAction.API_KEY_ROTATED,
        entity_type="api_key",
        entity_id=key_id,
        metadata={"successor_id": key.id, "grace_seconds": grace_s},
    )
    tx.audit(
        AuditAction.API_KEY_CREATED,
        entity_type="api_key",
        entity_id=key.id,
        metadata={"replaces": key_id, "scopes": [scope.value for scope in key.scopes], "mode": key.mode.value},
    )
    tx.tell(Event(EventType.API_KEY_ROTATED, {"key_id": key_id, "successor_id": key.id, "mode": key.mode.value}))
    return key, plaintext


async def begin_grace(tx: Transaction, successor: ApiKeyId) -> None:
    """The key that `successor` replaces has its grace from now on. Raises as `KeyStore.retire_replaced` does."""
    key = await tx.keys.retire_replaced(successor)
    tx.audit(
        AuditAction.API_KEY_SUPERSEDED,
        entity_type="api_key",
        entity_id=key.id,
        metadata={"successor_id": successor, "retires_at": key.retires_at.isoformat() if key.retires_at else None},
    )


async def revoke_key(tx: Transaction, key_id: ApiKeyId) -> ApiKey:
    """Raises `NotFoundError` for a key that is unknown, another organisation's, or revoked already."""
    key = await tx.keys.revoke(key_id)
    tx.audit(AuditAction.API_KEY_REVOKED, entity_type="api_key", entity_id=key.id)
    tx.tell(_event(EventType.API_KEY_REVOKED, key))
    return key


def _bounds(key: ApiKey) -> dict[str, JsonValue]:
    """When, where, for how much and for whom it may be used."""
    return {
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "ip_allowlist": [*map(str, key.networks)],
        "credit_cap": key.credit_cap,
        "owner": key.owner,
    }


def _models(key: ApiKey) -> dict[str, JsonValue]:
    """What names of models stand for."""
    return {
        "model_shorthands": dict(key.model_shorthands),
        "model_shorthands_enabled": key.model_shorthands_enabled,
        "auto_mode": key.auto_mode.value,
    }


def _event(kind: EventType, key: ApiKey) -> Event:
    return Event(kind, {"key_id": key.id, "mode": key.mode.value})
