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
from dataclasses import dataclass
from datetime import datetime

from gateway.errors import InvalidApiKeyError
from gateway.ids import ApiKeyId, OrganizationId
from gateway.tenancy import KeyMode, Scope

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHAPE = re.compile(r"hasp_key_(live|test)_[0-9A-Za-z]{32}\Z", re.ASCII)


class RevokedApiKeyError(InvalidApiKeyError):
    """Looks like any other refusal to its sender; the audit log may know whose key it was."""

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
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


def mint(mode: KeyMode) -> str:
    """A new key's plaintext, to be shown once."""
    return prefix(mode) + "".join(secrets.choice(_ALPHABET) for _ in range(32))


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
