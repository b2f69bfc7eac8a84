"""API keys: how they look, how they are made and what of them is kept (spec D2).

`hasp_key_live_` or `hasp_key_test_`, then 32 characters of a 30-letter
alphabet (157 bits). Any 32 ASCII letters and digits are accepted on input,
case-sensitively. Only a keyed hash is stored: HMAC-SHA-256 under a versioned
pepper, so that a reader of the database can neither use nor mint a key.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from gateway.errors import InvalidApiKeyError, IpNotAllowedError, ValidationFailedError
from gateway.ids import ApiKeyId, OrganizationId
from gateway.keys.networks import Network
from gateway.tenancy import AutoMode, KeyMode, Scope

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
GRACE_S = (0, 7 * 86_400)
DEFAULT_GRACE_S = 86_400
LONGEST_LIFE = timedelta(days=3650)
_SHAPE = re.compile(r"hasp_key_(live|test)_[0-9A-Za-z]{32}\Z", re.ASCII)


class RevokedApiKeyError(InvalidApiKeyError):
    """Looks like any other refusal to its sender; the audit log may know whose key it was."""

    def __init__(self, org: OrganizationId, key: ApiKeyId) -> None:
        super().__init__()
        self.org = org
        self.key = key


class ExpiredApiKeyError(RevokedApiKeyError):
    """As a revoked one: to its sender, one unusable key is like the other."""


class OutsideNetworksError(IpNotAllowedError):
    """The address is in none of the key's networks; the audit log may know whose key it was."""

    def __init__(self, org: OrganizationId, key: ApiKeyId) -> None:
        super().__init__()
        self.org = org
        self.key = key


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What may be shown of a key after its creation."""

    id: ApiKeyId
    name: str
    prefix: str
    last_four: str
    scopes: tuple[Scope, ...]
    mode: KeyMode
    created_at: datetime
    family: ApiKeyId
    """The first key of the line of successors that it is in: limits are of the line, not of each key in it."""
    credit_cap: int | None = None
    """Credits that its line may spend in a period; None: the organisation's own limits alone hold."""
    credits_used: int = 0
    """By its line, in the period that runs."""
    expires_at: datetime | None = None
    """From then on refused like a revoked key; None: never."""
    networks: tuple[Network, ...] = ()
    """Where it may be used from; none: anywhere."""
    replaces: ApiKeyId | None = None
    """The key that it was made from; its first use starts that one's grace."""
    retires_at: datetime | None = None
    """When the grace of a key whose successor is in use ends; from then on refused like a revoked key."""
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    owner: str | None = None
    """The user on whose behalf it issues credentials of agents."""

    model_shorthands: Mapping[str, str] = field(default_factory=dict[str, str])
    """Models by the shorthands of `/v1/anthropic/*`; kept while it is switched off."""
    model_shorthands_enabled: bool = False
    auto_mode: AutoMode = AutoMode.PERFORMANCE
    """Of its owner, or of its line."""

    @property
    def ends_at(self) -> datetime | None:
        """From then on it is refused, by its own end or its grace's; None: never."""
        return min((at for at in (self.expires_at, self.retires_at) if at is not None), default=None)


class KeyChanges(TypedDict, total=False):
    """What of a key may change after its creation; what is not there stays."""

    name: str
    expires_at: datetime | None
    networks: tuple[Network, ...]
    credit_cap: int | None
    owner: str | None
    model_shorthands: Mapping[str, str]
    model_shorthands_enabled: bool
    auto_mode: AutoMode


def read_expiry(field: str, at: datetime, *, now: datetime) -> datetime:
    """`at` in UTC. Raises `ValidationFailedError` unless it comes after `now`, by `LONGEST_LIFE` at most."""
    if not now < at <= now + LONGEST_LIFE:
        raise ValidationFailedError(
            f"`{field}` must be in the future, and within {LONGEST_LIFE.days} days.", param=field
        )
    return at.astimezone(UTC)


def mint(mode: KeyMode) -> str:
    """A new key's plaintext, to be shown once."""
    return prefix(mode) + "".join(secrets.choice(ALPHABET) for _ in range(32))


def prefix(mode: KeyMode) -> str:
    return f"hasp_key_{mode}_"


def is_well_formed(token: str) -> bool:
    """Whether `token` could be a key at all: what fails here is refused without a look-up."""
    return _SHAPE.match(token) is not None


def digest(token: str, pepper: bytes) -> bytes:
    """What is stored and looked up. Keyed, so an index on it tells an outsider's timing nothing."""
    return hmac.digest(pepper, token.encode(), "sha256")


def digests(token: str, peppers: Mapping[int, bytes]) -> list[bytes]:
    """`token` under every pepper still in use; a key made before a rotation matches an older one."""
    return [digest(token, pepper) for pepper in peppers.values()]
