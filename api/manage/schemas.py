"""Bodies of the control plane."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, JsonValue

from api.content.schemas import Strict
from gateway.catalog.model import ModelName
from gateway.credits.budget import LARGEST_CAP, MOST_THRESHOLDS, THRESHOLDS
from gateway.keys.api_key import DEFAULT_GRACE_S, GRACE_S
from gateway.keys.networks import MAX_NETWORKS
from gateway.organization_policy import MOST_TOOLS
from gateway.phi.findings import Entity
from gateway.phi.screening import MAX_TERMS, THRESHOLDS_MILLI, Profile
from gateway.retention import MINIMUM_RETENTION_DAYS, RETENTION_DAYS
from gateway.tenancy import AutoMode, KeyMode, PhiMode, Scope, StorageMode, Unscannable

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
_UNSEEN = r"\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
VISIBLE = rf"^[^\s{_UNSEEN}](?:[^{_UNSEEN}]*[^\s{_UNSEEN}])?$"
"""What people tell apart by looking at it: nothing in it is invisible, and it neither begins nor ends with a blank."""
USER = r"^[A-Za-z0-9._:@|+-]+$"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _written_out(value: JsonValue) -> JsonValue:
    """Numbers may be seconds or milliseconds, and pydantic would guess."""
    if value is not None and not (isinstance(value, str) and _DATE.match(value)):
        raise ValueError
    return value


def _in_utc(value: datetime) -> datetime:
    """Its offset may take an instant beyond the years that there are."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError from None


Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written_out), AfterValidator(_in_utc)]
Name = Annotated[
    str, Field(max_length=100, pattern=PRINTABLE, description="Not blank, and without control characters.")
]
Expiry = Annotated[
    Annotated[AwareDatetime, Field(strict=False)] | None,
    BeforeValidator(_written_out),
    Field(description="ISO 8601 with offset, at most ten years ahead. The key is refused from then on."),
]
Networks = Annotated[
    list[Annotated[str, Field(max_length=64)]] | None,
    Field(
        max_length=MAX_NETWORKS,
        description="Networks (CIDR, IPv4 and IPv6) that the key may be used from; none, or null: from anywhere.",
    ),
]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$", description="Hex SHA-256.")]

CreditCap = Annotated[
    int | None,
    Field(
        ge=0,
        le=LARGEST_CAP,
        description="Credits that the key and its successors may spend in a billing period. Null: no cap of its own.",
    ),
]

KeyOwner = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=255,
        pattern=USER,
        description="The user on whose behalf it issues credentials of agents. Null: whom each of them names.",
    ),
]


class CreateKeyRequest(Strict):
    """A new API key. Its plaintext is shown once, in the answer. Left out, `owner` is the calling key's."""

    name: Name
    # Enums are read from their values: `strict` would ask for members.
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1)]
    mode: Annotated[
        KeyMode | None,
        Field(strict=False, description="`test` keys reach the sandbox only. Default: the calling key's mode."),
    ] = None
    expires_at: Expiry = None
    ip_allowlist: Networks = None
    credit_cap: CreditCap = None
    owner: KeyOwner = None


class ModelShorthandsParam(Strict):
    """Which model each shorthand of `/v1/anthropic/*` stands for; null: the family's newest that is enabled."""

    haiku: ModelName | None = None
    sonnet: ModelName | None = None
    opus: ModelName | None = None


class ChangeKeyRequest(Strict):
    """What to change; a field left out stays as it is.

    A null `expires_at`, `ip_allowlist`, `credit_cap`, `owner` or `model_shorthands` takes it away.
    """

    name: Name | None = None
    expires_at: Expiry = None
    ip_allowlist: Networks = None
    credit_cap: CreditCap = None
    owner: KeyOwner = None
    model_shorthands: Annotated[
        ModelShorthandsParam | None, Field(description="All three at once: what is left out is null.")
    ] = None
    model_shorthands_enabled: Annotated[
        bool | None, Field(description="Off, `model_shorthands` are kept and not used.")
    ] = None
    auto_mode: Annotated[
        AutoMode | None,
        Field(
            strict=False,
            description='How far `model: "auto"` may reach, for every key of the owner, or for the line of a key '
            "without one.",
        ),
    ] = None


class RotateKeyRequest(Strict):
    """How the overlap of a key and its successor ends."""

    grace_seconds: Annotated[
        int,
        Field(
            ge=GRACE_S[0],
            le=GRACE_S[1],
            description="How long the key works on after its successor was first used.",
        ),
    ] = DEFAULT_GRACE_S


class RetentionAnswered(Strict):
    """How long content is kept now, so that an answer can be sent back."""

    effective_days: int | None = None
    held: bool | None = None
    takes_effect_at: Annotated[str | None, Field(max_length=64)] = None


class PolicyRequest(Strict):
    """What to change; a field left out, or null, stays as it is. A null `default_model` takes it away."""

    phi_mode: Annotated[
        PhiMode | None,
        Field(
            strict=False, description="`redact`: identifiers are masked. `block`: refused. `allow`: sent as they are."
        ),
    ] = None
    phi_profile: Annotated[
        Profile | None, Field(strict=False, description="Which kinds count. `custom`: those of `phi_entities`.")
    ] = None
    phi_entities: Annotated[
        list[Annotated[Entity, Field(strict=False)]] | None,
        Field(min_length=1, description="Goes with the profile `custom`, which needs it."),
    ] = None
    phi_threshold: Annotated[
        float | None,
        Field(
            ge=THRESHOLDS_MILLI[0] / 1000,
            le=THRESHOLDS_MILLI[1] / 1000,
            description="The score from which a finding counts by itself, to three decimals.",
        ),
    ] = None
    phi_deny_terms: Annotated[
        list[str] | None, Field(max_length=MAX_TERMS, description="Always masked, as whole words in any case.")
    ] = None
    phi_allow_terms: Annotated[
        list[str] | None, Field(max_length=MAX_TERMS, description="Never masked; a denied term wins.")
    ] = None
    phi_answers: Annotated[
        Literal["record", "block"] | None, Field(description="What happens when the model itself writes identifiers.")
    ] = None
    restore_answers: Annotated[bool | None, Field(description="Put values back in place of placeholders.")] = None
    unscannable: Annotated[
        Unscannable | None, Field(description="What happens to images and PDFs, which cannot be scanned.")
    ] = None
    storage_mode: Annotated[StorageMode | None, Field(strict=False, description="`none` keeps no content.")] = None
    retention_days: Annotated[
        int | None,
        Field(
            ge=RETENTION_DAYS[0],
            le=RETENTION_DAYS[1],
            description="How long content is kept. Less than before bears a week later.",
        ),
    ] = None
    minimum_retention_days: Annotated[
        int | None,
        Field(
            ge=MINIMUM_RETENTION_DAYS[0],
            le=MINIMUM_RETENTION_DAYS[1],
            description="How old a person's content has to be before it is erased at their request.",
        ),
    ] = None
    legal_hold: Annotated[
        bool | None, Field(description="While true nothing is destroyed. Lifting it bears a week later.")
    ] = None
    retention: Annotated[
        RetentionAnswered | None, Field(description="As answered: what bears now. Read-only, changes nothing.")
    ] = None
    phi_retrieval_behavior: Annotated[
        PhiMode | None,
        Field(
            strict=False,
            description="What PHI in the input of a tool of the gateway's comes to. `block`: the chat ends. `redact`,"
            " `allow`: what would leave is not done, and the model is told.",
        ),
    ] = None
    failover_enabled: Annotated[
        bool | None,
        Field(description="Let an equivalent model of another vendor answer, under the same or a better BAA cover."),
    ] = None
    allowed_tools: Annotated[
        list[str] | None,
        Field(
            max_length=MOST_TOOLS,
            description="Tools of the gateway's that chats may use: names of `/v1/chat/tools`, `<server>_*` for an MCP"
            ' server\'s, or `["*"]` for every one.',
        ),
    ] = None
    default_model: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=128,
            description="Model of native chats that name none, or `auto`. Null takes it away: it may be sent.",
        ),
    ] = None
    acknowledge_phi_leaves: Annotated[
        bool | None,
        Field(description="Must be true in a request by which identifiers may leave: see `docs/phi-guard.md`."),
    ] = None


class BudgetRequest(Strict):
    """What to change; a field left out stays as it is."""

    spend_cap: Annotated[
        int | None,
        Field(ge=0, le=LARGEST_CAP, description="Credits that a billing period may cost at most. Null: no cap."),
    ] = None
    alert_thresholds: Annotated[
        list[Annotated[int, Field(ge=THRESHOLDS[0], le=THRESHOLDS[1])]] | None,
        Field(
            max_length=100,
            description=f"Percent of a period's limit to tell at, at most {MOST_THRESHOLDS}; null or none: never.",
        ),
    ] = None
    time_zone: Annotated[
        str,
        Field(max_length=64, description="IANA name. Billing periods begin there at midnight, from the next one on."),
    ] = "UTC"
    anchor_day: Annotated[
        int,
        Field(ge=1, le=31, description="Day of the month on which billing periods begin, or the month's last."),
    ] = 1
    opus_enabled: Annotated[bool, Field(description="Whether Opus models may be called.")] = False
    premium_models_enabled: Annotated[
        list[str],
        Field(max_length=1000, description="The other premium models that may be called, in place of those before."),
    ] = []  # noqa: RUF012 - pydantic copies it


class SignerRequest(Strict):
    """Who accepts. Names in scripts that the document has no font for are refused."""

    name: Annotated[Name, Field(description="As typed, it is the signature.")]
    title: Name
    email: Annotated[str, Field(max_length=254, pattern=r"^[^\s@\x00-\x1f\x7f-\x9f]+@[^\s@\x00-\x1f\x7f-\x9f]+$")]
    organization_name: Annotated[
        str, Field(max_length=200, pattern=PRINTABLE, description="The organization's legal name.")
    ]


class AcceptRequest(Strict):
    """An acceptance of the agreement, as fetched."""

    template_sha256: Sha256
    token: Annotated[str, Field(max_length=200, description="Handed out with the text; good for a day.")]
    signer: SignerRequest
    authority: Annotated[Literal[True], Field(description="The signer makes the `authority_statement`.")]
    consent_sha256: Annotated[Sha256, Field(description="The statements that were shown and are made.")]


class ScanRequest(Strict):
    """A text to look at."""

    text: Annotated[str, Field(max_length=1_000_000, description="At most 1,000,000 characters.")]


class ExportAuditRequest(Strict):
    """A range of time, both ends inclusive."""

    start: Annotated[Instant, Field(alias="from", description="ISO 8601 with offset.")]
    end: Annotated[Instant, Field(alias="to", description="ISO 8601 with offset.")]
