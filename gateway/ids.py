"""Identifiers: one noun, one type, one spelling.

Every id is a ULID (https://github.com/ulid/spec): 26 characters of Crockford
base32, sortable by creation time. One inference has one ULID under three
spellings: `req_…` for support, `msg_…` on the Anthropic surface, bare in rows.
"""

import hashlib
import re
from datetime import date
from typing import NewType

from ulid import ULID

OrganizationId = NewType("OrganizationId", str)
ApiKeyId = NewType("ApiKeyId", str)
InferenceId = NewType("InferenceId", str)
ConversationId = NewType("ConversationId", str)
AuditEntryId = NewType("AuditEntryId", str)
EventId = NewType("EventId", str)
AcceptanceId = NewType("AcceptanceId", str)
AppId = NewType("AppId", str)
EndpointId = NewType("EndpointId", str)
DeliveryId = NewType("DeliveryId", str)
ReplayId = NewType("ReplayId", str)
AgentId = NewType("AgentId", str)
CredentialId = NewType("CredentialId", str)
CascadeId = NewType("CascadeId", str)
EndUserId = NewType("EndUserId", str)
ErasureId = NewType("ErasureId", str)
FileId = NewType("FileId", str)
PresetId = NewType("PresetId", str)
RunId = NewType("RunId", str)
JobId = NewType("JobId", str)

PLATFORM = OrganizationId("0" * 26)
"""Owner of what belongs to no customer: refusals of unknown keys are audited under it."""

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
UUID_PATTERN = r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_UUID = re.compile(UUID_PATTERN.removesuffix("$") + r"\Z")
_TIME_DIGITS = 10
_TIME_BYTES = 6
_BASE_32 = str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUV")
"""Crockford's digits as Python's `int` reads them."""
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()


def new_ulid() -> str:
    """A fresh ULID; unique across processes, ordered to the millisecond."""
    return str(ULID())


def derived_ulid(ulid: str, name: str) -> str:
    """The ULID of what `name` stands for within `ulid`, of the same moment: the same however often it is asked for.

    Work that is done again writes the same rows by it.
    """
    digest = hashlib.sha256(f"{ulid}/{name}".encode()).digest()
    return str(ULID.from_bytes(ULID.from_str(ulid).bytes[:_TIME_BYTES] + digest[: 16 - _TIME_BYTES]))


def new_uuid() -> str:
    """A fresh UUID, for what other vendors' clients know by one: a ULID's 128 bits, so they sort by time too."""
    return str(ULID().to_uuid())


def day_of(ulid: str) -> date:
    """The UTC day on which `ulid` was made."""
    return date.fromordinal(_EPOCH + int(ulid[:_TIME_DIGITS].translate(_BASE_32), 32) // _DAY_MS)


def find_ulid(text: str, *prefixes: str) -> str | None:
    """The ULID in `text`, bare or behind one of `prefixes` (`"req_"`), or None if it is no id of ours."""
    for prefix in prefixes:
        if text.startswith(prefix):
            text = text[len(prefix) :]
            break
    upper = text.upper()
    return upper if _ULID.match(upper) else None


def find_uuid(text: str) -> str | None:
    """The UUID that `text` is, as we spell it, or None if it is none."""
    return text.lower() if _UUID.match(text) else None


def request_id(inference: str) -> str:
    return f"req_{inference}"


def message_id(inference: str) -> str:
    return f"msg_{inference}"


def conversation_id(conversation: str) -> str:
    return f"conv_{conversation}"


def run_id(inference: str) -> str:
    return f"run_{inference}"
