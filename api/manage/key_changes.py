"""What bodies ask of keys, as changes that can be made."""

from datetime import datetime
from typing import TypeVar

from api.manage.schemas import ChangeKeyRequest, CreateKeyRequest
from gateway.catalog import Catalog, Model
from gateway.errors import ValidationFailedError
from gateway.inference.admission import is_enabled
from gateway.keys.api_key import KeyChanges, read_expiry
from gateway.keys.networks import read_networks
from gateway.tenancy import Access

ValueT = TypeVar("ValueT")


def changes_of(wanted: CreateKeyRequest | ChangeKeyRequest, *, now: datetime) -> KeyChanges:
    """What was sent. Raises `ValidationFailedError` for a time or a network that cannot be taken."""
    sent, changes = wanted.model_fields_set, KeyChanges()
    if "name" in sent:
        changes["name"] = _given(wanted.name, "name")
    if "expires_at" in sent:
        at = wanted.expires_at
        changes["expires_at"] = None if at is None else read_expiry("expires_at", at, now=now)
    if "ip_allowlist" in sent:
        changes["networks"] = read_networks("ip_allowlist", wanted.ip_allowlist or [])
    if "credit_cap" in sent:
        changes["credit_cap"] = wanted.credit_cap
    if "owner" in sent:
        changes["owner"] = wanted.owner
    return changes


def model_changes(wanted: ChangeKeyRequest, access: Access, *, catalog: Catalog, now: datetime) -> KeyChanges:
    """What was sent about names of models. Raises `ValidationFailedError` for a model that is not there or enabled."""
    sent, changes = wanted.model_fields_set, KeyChanges()
    if "model_shorthands" in sent:
        named = wanted.model_shorthands.model_dump(exclude_none=True) if wanted.model_shorthands else {}
        changes["model_shorthands"] = {
            shorthand: _enabled(catalog.find(name), access, now, f"model_shorthands.{shorthand}")
            for shorthand, name in named.items()
        }
    if "model_shorthands_enabled" in sent:
        changes["model_shorthands_enabled"] = _given(wanted.model_shorthands_enabled, "model_shorthands_enabled")
    if "auto_mode" in sent:
        changes["auto_mode"] = _given(wanted.auto_mode, "auto_mode")
    return changes


def _enabled(model: Model | None, access: Access, now: datetime, param: str) -> str:
    if model is None or not is_enabled(model, access, now=now):
        raise ValidationFailedError(f"`{param}` is not a model that is enabled for the organization.", param=param)
    return model.id


def _given(value: ValueT | None, param: str) -> ValueT:
    if value is None:
        raise ValidationFailedError(f"`{param}` cannot be null.", param=param)
    return value
