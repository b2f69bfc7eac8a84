"""What stands in an export of a person's data: one kind of record a set, and its JSON Schema (2020-12).

Fields may be added; none is taken away, and none changes what it means.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, with_config

# pydantic reads those of `typing` from Python 3.12 on only.
from typing_extensions import TypedDict

from gateway.end_users.exports import Dataset

Ulid = Annotated[str, Field(pattern="^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Count = Annotated[int, Field(ge=0)]

_closed = with_config(ConfigDict(extra="forbid"))


@_closed
class Profile(TypedDict):
    """Who the person is, as the organization's calls named them."""

    id: Ulid
    name: Annotated[str, Field(description="As it was sent.")]
    digest: Annotated[str, Field(description="By which the audit log names them.", pattern="^[0-9a-f]{64}$")]
    created_at: Annotated[datetime, Field(description="When they were named first.")]
    inferences: Annotated[Count, Field(description="Calls that named them and had ended.")]
    first_inference_at: datetime | None
    last_inference_at: datetime | None


@_closed
class Conversation(TypedDict):
    """A conversation; what was said is in its inferences, in their order."""

    id: Ulid
    started_at: datetime
    last_at: datetime
    inferences: Count


@_closed
class Request(TypedDict):
    """What was asked, in the format of the Messages API."""

    system: JsonValue
    messages: list[JsonValue]
    first: Annotated[
        Count, Field(description="Place of the first message: a conversation's earlier ones are in earlier records.")
    ]
    placeholders: Annotated[dict[str, str], Field(description="What stood in for which value.")]


@_closed
class Answer(TypedDict):
    """What was answered, in the format of the Messages API."""

    content: list[JsonValue]
    stop_sequence: str | None
    stop_details: JsonValue
    usage: dict[str, JsonValue]


@_closed
class Guarding(TypedDict):
    """What the PHI guard did."""

    mode: str | None
    action: str
    entity_types: list[str]
    redactions: Count


@_closed
class Inference(TypedDict):
    """One call, with its content while that is kept."""

    id: Ulid
    conversation_id: Ulid | None
    key_id: Ulid | None
    agent_id: Ulid | None
    surface: str
    model: str
    mode: str
    status: str
    stop_reason: str | None
    error_code: str | None
    streamed: bool
    created_at: datetime
    completed_at: datetime
    phi: Guarding
    content: Annotated[
        Literal["kept", "not_kept", "destroyed"],
        Field(description="Whether the content is here, was never kept, or its time was over."),
    ]
    request: Request | None
    answer: Answer | None
    audit_entry_id: Ulid | None


@_closed
class Finding(TypedDict):
    """One place where an identifier was found."""

    slot: str
    start: Count
    end: Count
    entity: str
    score_milli: int
    placeholder: str | None


@_closed
class Findings(TypedDict):
    """Where the PHI guard found what in one call. The text is in the inference itself."""

    inference_id: Ulid
    findings: list[Finding]


@_closed
class Usage(TypedDict):
    """What one call used and cost."""

    inference_id: Ulid
    period_start: datetime
    at: datetime
    model: str
    mode: str
    input_tokens: Count
    output_tokens: Count
    cache_read_tokens: Count
    cache_write_5m_tokens: Count
    cache_write_1h_tokens: Count
    reasoning_tokens: Count
    service_tier: str | None
    estimated: bool
    credits: Count
    cost_micro_usd: int | None


@_closed
class AuditRecord(TypedDict):
    """One entry of the organization's audit log that is about the person."""

    id: Ulid
    at: datetime
    action: str
    entity_type: str | None
    entity_id: str | None
    actor: str | None
    ip_address: str | None
    metadata: dict[str, JsonValue]
    phi_disposition: str
    seq: Annotated[int, Field(description="Its place in the chain.", ge=1)]
    hash: str
    key_id: str | None
    signature: str | None


@_closed
class Webhook(TypedDict):
    """A notification about the person, or about a call of theirs, and where it was to be sent."""

    id: Ulid
    event_id: Ulid
    event_type: str
    data: Annotated[dict[str, JsonValue], Field(description="All that it told: ids, counts and words.")]
    endpoint_id: Ulid
    host: Annotated[str | None, Field(description="Whose server it was for.")]
    created_at: datetime
    delivered_at: Annotated[datetime | None, Field(description="Null: it had not arrived yet.")]


_RECORDS: Final[Mapping[Dataset, TypeAdapter[Any]]] = {
    Dataset.PROFILE: TypeAdapter(Profile),
    Dataset.CONVERSATIONS: TypeAdapter(Conversation),
    Dataset.INFERENCES: TypeAdapter(Inference),
    Dataset.FINDINGS: TypeAdapter(Findings),
    Dataset.USAGE: TypeAdapter(Usage),
    Dataset.AUDIT: TypeAdapter(AuditRecord),
    Dataset.WEBHOOKS: TypeAdapter(Webhook),
}


def schema(dataset: Dataset) -> bytes:
    """The JSON Schema of one line of `dataset`, itself as JSON."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_RECORDS[dataset].json_schema()}
    return orjson.dumps(made, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
