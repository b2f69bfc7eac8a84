"""What an export and a document of keys must look like to be read: every field known, of its type, and there."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # until Python 3.12, pydantic reads only this one

from gateway.audit.chain import canonical_time
from gateway.audit.signing import KeyStatus, raw_public_key

_CANONICAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00\Z")
_MOST_DIGITS = 15  # what every language's integers hold


class UnreadableError(Exception):
    """A file that cannot be judged. The text names the field, never its value."""


def canonical_instant(text: object) -> datetime:
    """The one spelling of an instant that entries have. Raises `ValueError`."""
    if not isinstance(text, str) or _CANONICAL_TIME.match(text) is None:
        raise ValueError("not an instant in UTC with six decimals")
    return datetime.fromisoformat(text)


def _instant(text: object) -> datetime:
    """An instant in any ISO 8601 spelling that names its offset."""
    if not isinstance(text, str):
        raise ValueError("not an instant")  # noqa: TRY004 - pydantic wants a ValueError
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("names no offset")
        return datetime.fromisoformat(canonical_time(at.astimezone(UTC)))
    except OverflowError:
        raise ValueError("not an instant") from None


def _https(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("not an https address")
    return text


def _public_key(text: str) -> str:
    raw_public_key(text)
    return text


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[0-9A-Za-z._:-]{1,128}$")]
"""An id that reports repeat: nothing that a terminal would obey."""
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Canonical = Annotated[datetime, BeforeValidator(canonical_instant)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Https = Annotated[str, AfterValidator(_https)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
Place = Annotated[int, Field(ge=1, lt=10**_MOST_DIGITS)]
Count = Annotated[int, Field(ge=0, lt=10**_MOST_DIGITS)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RangePart(_Strict):
    start: Canonical = Field(alias="from")
    end: Canonical = Field(alias="to")


class ExportPart(_Strict):
    tenant: str
    tenant_id: Name
    range: RangePart
    exported_at: Canonical
    exported_by: str | None
    entry_count: Count
    first_seq: Place


class AnchorPart(_Strict):
    checkpoint_after_entry: Place
    tsa_url: Https
    tsa_cacert_url: Https
    tsa_tsr_base64: Text
    anchored_data: Hash
    anchored_at: Canonical


class CheckpointPart(_Strict):
    seq: Place
    hash: Hash
    at: Canonical
    key_id: Name
    signature: Text


class KeyPart(BaseModel):
    """A published key. Fields of later versions are passed over."""

    model_config = ConfigDict(frozen=True)

    key_id: Name
    public_key_pem: PublicKey
    published_at: Instant
    status: KeyStatus
    retired_at: Instant | None = None


class VerificationPart(_Strict):
    algo: Literal["ed25519"]
    key_id: Name
    public_key_pem: PublicKey
    key_published_at: Canonical
    chain_head_hash: Hash
    tsa_anchor_chain: tuple[AnchorPart, ...] = Field(strict=False)
    keys: tuple[KeyPart, ...] = Field(strict=False)
    checkpoints: tuple[CheckpointPart, ...] = Field(strict=False)
    keys_url: Https | None = None
    instructions: str | None = None


class Header(_Strict):
    schema_version: Literal["1.0"]
    export: ExportPart
    verification: VerificationPart


class Proof(_Strict):
    digest: Hash
    signature: Text


class KeysDocument(BaseModel):
    tenant_id: Name
    keys: list[KeyPart]


class SealedPart(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # pyright: ignore[reportGeneralTypeIssues] - documented so

    at: str
    key_id: Name
    signature: str | None


class EntryPart(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")  # pyright: ignore[reportGeneralTypeIssues] - documented so

    seq: Place
    user_id: str | None
    org_id: Name
    project_id: str | None
    action: Text
    entity_type: str | None
    entity_id: str | None
    metadata: dict[str, Any]
    ip_address: str | None
    created_at: str
    phi_disposition: str | None
    subject_type: str | None
    subject_id_hmac: str | None
    prev_hash: Hash
    hash: Hash
    signature: Text
    sealed: SealedPart


_ENTRY = TypeAdapter(EntryPart)


def read_header(members: Mapping[str, object]) -> Header:
    """Raises `UnreadableError`."""
    try:
        return Header.model_validate(members)
    except ValidationError as error:
        raise UnreadableError(f"the export's {where(error)}") from None


def read_keys(document: object) -> KeysDocument:
    """Raises `UnreadableError`."""
    try:
        return KeysDocument.model_validate(document)
    except ValidationError as error:
        raise UnreadableError(f"the keys' {where(error)}") from None


def read_proof(document: object) -> Proof | None:
    try:
        return Proof.model_validate(document)
    except ValidationError:
        return None


def read_entry(document: object) -> EntryPart:
    """Raises `ValueError`: which field, and what it should be."""
    try:
        return _ENTRY.validate_python(document)
    except ValidationError as error:
        raise ValueError(f"is malformed at {where(error)}") from None


def where(error: ValidationError) -> str:
    """Which field is wrong, and how; never its value."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"])) or "content"
    return f"{place!r}: {first['msg']}"
