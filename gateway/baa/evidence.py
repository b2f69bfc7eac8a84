"""What is known of an acceptance: who, for whom, with what authority, from where, when, of which text.

ESIGN (15 USC 7001) and UETA ask for intent, attribution and association with the record; every field here serves one of
them. The document prints all of it and carries it as JSON.
"""

import unicodedata
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import orjson

from gateway.baa.template import Cover
from gateway.errors import ValidationFailedError
from gateway.ids import AcceptanceId, ApiKeyId, OrganizationId

LONGEST_NAME = 200
LONGEST_STATEMENT = 2000
LONGEST_AGENT = 300

_JOINERS = "\u200c\u200d"
"""Invisible, and yet part of how names are spelled in Persian and in Indic scripts."""

_BLANKS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""By category letters, marks and a symbol, and yet nothing to see: fillers, a joiner of graphemes, Braille's blank."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """The person who accepts. Raises `ValidationFailedError` for what cannot stand in a contract; see `as_printed`."""

    name: str
    """As typed: it is the signature."""
    title: str
    email: str
    authority: str
    """The statement that this person may bind the organization, as shown and affirmed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", as_printed("signer_name", self.name))
        object.__setattr__(self, "title", as_printed("signer_title", self.title))
        object.__setattr__(self, "email", as_printed("signer_email", self.email))
        object.__setattr__(self, "authority", as_printed("authority", self.authority, LONGEST_STATEMENT))


@dataclass(frozen=True, slots=True)
class Operator:
    """The business associate: who runs this gateway, and who signs for them. From the settings."""

    name: str
    countersigner: str
    countersigner_title: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the acceptance came from. Without a key, the operator recorded it from the command line."""

    key: ApiKeyId | None
    ip_address: str | None
    user_agent: str | None

    def __post_init__(self) -> None:
        if self.user_agent is not None:
            object.__setattr__(self, "user_agent", _readable(self.user_agent))


@dataclass(frozen=True, slots=True)
class SealDescription:
    """What the document says of its own seal before it has one."""

    subject: str
    fingerprint: str
    """Hex SHA-256 of the certificate."""
    self_signed: bool
    timestamp_authority: str | None
    """URL; None: the seal says when it was made on the operator's word alone (PAdES B-B)."""
    timestamp_root: str | None
    """URL of the authority's root certificate."""


@dataclass(frozen=True, slots=True)
class Evidence:
    document: AcceptanceId
    organization: OrganizationId
    organization_name: str
    operator: Operator
    signatory: Signatory
    origin: Origin
    template_version: str
    template_sha256: str
    acceptance_text: str
    """What was affirmed by accepting, word for word."""
    covers: tuple[Cover, ...]
    text_fetched_at: datetime
    accepted_at: datetime
    effective_at: datetime
    expires_at: datetime | None
    seal: SealDescription

    def __post_init__(self) -> None:
        object.__setattr__(self, "organization_name", as_printed("organization_name", self.organization_name))
        times = (self.text_fetched_at, self.accepted_at, self.effective_at, self.expires_at)
        if any(time is not None and time.tzinfo is None for time in times):
            raise ValueError("a time without a zone")
        if not self.text_fetched_at <= self.accepted_at:
            raise ValueError("accepted before the text was handed out")

    def json(self) -> bytes:
        """The same bytes for the same evidence: keys sorted, instants in UTC."""
        return orjson.dumps(asdict(self), default=_plain, option=_JSON)


_JSON = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return instant(value)
    raise TypeError


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_printed(field: str, text: str, longest: int = LONGEST_NAME) -> str:
    """`text` in the one spelling that is kept (Unicode NFC, trimmed).

    Raises `ValidationFailedError`, naming the field and never its value, for text that is empty, longer than `longest`
    characters, or holds characters that are not seen but change what is: controls, line breaks, direction overrides.
    What shows nothing at all is empty too.
    """
    printed = unicodedata.normalize("NFC", text).strip()
    if not any(map(_is_seen, printed)):
        raise ValidationFailedError(f"`{field}` is empty.", param=field)
    if len(printed) > longest:
        raise ValidationFailedError(f"`{field}` is longer than {longest} characters.", param=field)
    if any(_is_hidden(character) for character in printed):
        raise ValidationFailedError(f"`{field}` holds control or formatting characters.", param=field)
    return printed


def _is_seen(character: str) -> bool:
    """Whether it shows by itself, as blanks, joiners and marks do not. Controls are left to be refused as such."""
    return unicodedata.category(character)[0] not in "MZ" and character not in _JOINERS + _BLANKS


def _is_hidden(character: str) -> bool:
    category = unicodedata.category(character)
    is_format = category.startswith("C") or category in ("Zl", "Zp")
    return (is_format and character not in _JOINERS) or character in _BLANKS


def _readable(user_agent: str) -> str:
    """A header is whatever a stranger sent: what is not printable ASCII becomes `?`, what is too long is cut."""
    ascii_only = "".join(character if " " <= character <= "~" else "?" for character in user_agent)
    return ascii_only if len(ascii_only) <= LONGEST_AGENT else ascii_only[: LONGEST_AGENT - 3] + "..."
