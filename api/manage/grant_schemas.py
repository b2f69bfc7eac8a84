"""Grants as they are sent: rich authorization details (RFC 9396, spec B11)."""

from collections.abc import Container, Iterable
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, JsonValue, TypeAdapter

from api.content.schemas import JsonObject, Strict
from gateway.agents.grants import (
    DEEPEST,
    USER,
    AgentDelegate,
    DataRead,
    DataWrite,
    ExternalToolInvoke,
    Grant,
    HumanEscalate,
    ToolInvoke,
)
from gateway.errors import ValidationFailedError

MOST_GRANTS: Final = 20
MOST_NAMES: Final = 100
MOST_CONDITIONS: Final = 20
MOST_CONDITION_BYTES: Final = 4096
DEEPEST_CONDITION: Final = 5
"""Levels of objects and lists."""
_LARGEST_NUMBER: Final = 2**53
"""The database writes larger floats out as integers, which would no longer be what was sent."""
FASTEST_AN_HOUR: Final = 1_000_000

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9._:/-]+$")]
Names = Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMES)]
_ULID = r"^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"
AppId = Annotated[str, Field(pattern=_ULID, description="ULID of the app; left out: any.")]
Conditions = Annotated[
    JsonObject,
    Field(
        min_length=1,
        max_length=MOST_CONDITIONS,
        description=f"At most {MOST_CONDITION_BYTES:,} bytes of JSON, {DEEPEST_CONDITION} levels deep.",
    ),
]


class DataReadGrant(Strict):
    """Read records: of an app, of some entities, that fit all filters."""

    type: Literal["hasp.data.read"]
    app_id: AppId | None = None
    entities: Names | None = None
    filters: Annotated[Conditions | None, Field(description=f"`{USER}` as a value stands for the delegating user.")] = (
        None
    )


class DataWriteGrant(Strict):
    """Write records: of an app, of some entities, some fields of them."""

    type: Literal["hasp.data.write"]
    app_id: AppId | None = None
    entities: Names | None = None
    fields: Names | None = None


class ToolInvokeGrant(Strict):
    """Use a tool that is built in."""

    type: Literal["hasp.tool.invoke"]
    tool_id: Name


class ExternalToolInvokeGrant(Strict):
    """Use a tool that a request brings along, by its name."""

    type: Literal["external.tool.invoke"]
    tool_id: Name
    rate_limit: Annotated[int | None, Field(ge=1, le=FASTEST_AN_HOUR, description="Uses an hour.")] = None
    constraints: Annotated[Conditions | None, Field(description="For whoever runs the tool, by introspection.")] = None


class AgentDelegateGrant(Strict):
    """Issue credentials of another agent, within this credential's own grants."""

    type: Literal["agent.delegate"]
    to_agent_id: Annotated[str, Field(pattern=_ULID, description="ULID of the agent.")]
    max_chain_depth: Annotated[
        int, Field(ge=1, le=DEEPEST, description="How many credentials may follow one another below this one.")
    ] = DEEPEST


class HumanEscalateGrant(Strict):
    """Hand over to a person in a role."""

    type: Literal["human.escalate"]
    to_role: Name


GrantRequest = Annotated[
    DataReadGrant
    | DataWriteGrant
    | ToolInvokeGrant
    | ExternalToolInvokeGrant
    | AgentDelegateGrant
    | HumanEscalateGrant,
    Field(discriminator="type"),
]
GrantedScopes = Annotated[list[GrantRequest], Field(min_length=1, max_length=MOST_GRANTS)]


def grants_schema() -> dict[str, Any]:
    """The JSON Schema of `granted_scopes`."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **TypeAdapter[list[Any]](GrantedScopes).json_schema()}


def read_grants(name: str, wanted: Iterable[GrantRequest]) -> tuple[Grant, ...]:
    """The grants in the field `name`, in their order.

    Raises `ValidationFailedError`, which names the field and repeats nothing, for what a schema cannot say.
    """
    return tuple(_grant(f"{name}[{index}]", each) for index, each in enumerate(wanted))


def _grant(place: str, wanted: GrantRequest) -> Grant:
    match wanted:
        case DataReadGrant():
            filters = _conditions(f"{place}.filters", wanted.filters, known={USER})
            return DataRead(_upper(wanted.app_id), _names(wanted.entities), filters)
        case DataWriteGrant():
            return DataWrite(_upper(wanted.app_id), _names(wanted.entities), _names(wanted.fields))
        case ToolInvokeGrant():
            return ToolInvoke(wanted.tool_id)
        case ExternalToolInvokeGrant():
            constraints = _conditions(f"{place}.constraints", wanted.constraints)
            return ExternalToolInvoke(wanted.tool_id, wanted.rate_limit, constraints)
        case AgentDelegateGrant():
            return AgentDelegate(wanted.to_agent_id.upper(), wanted.max_chain_depth)
        case HumanEscalateGrant():
            return HumanEscalate(wanted.to_role)


def _upper(given: str | None) -> str | None:
    return None if given is None else given.upper()


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(dict.fromkeys(given))


def _conditions(place: str, given: dict[str, JsonValue] | None, *, known: Container[str] = ()) -> dict[str, JsonValue]:
    """`given`, in which a text with `{{` must be one of the substitutions `known`: others would be taken literally."""
    if given is None:
        return {}
    if len(orjson.dumps(given)) > MOST_CONDITION_BYTES:
        raise ValidationFailedError(f"`{place}` has more than {MOST_CONDITION_BYTES:,} bytes.", param=place)
    _require_plain(place, given, known, DEEPEST_CONDITION)
    return given


def _require_plain(place: str, value: JsonValue, known: Container[str], levels: int) -> None:
    match value:
        case str() if "{{" in value and value not in known:
            raise ValidationFailedError(
                f"`{place}` has a substitution that there is not. The only one is `{USER}`, in `filters`.", param=place
            )
        case str() if "\x00" in value:
            raise ValidationFailedError(f"`{place}` has a NUL character.", param=place)
        case int() | float() if abs(value) > _LARGEST_NUMBER:
            raise ValidationFailedError(f"`{place}` has a number that is too large. Send it as a string.", param=place)
        case dict() | list() if not levels:
            raise ValidationFailedError(f"`{place}` is nested more than {DEEPEST_CONDITION} levels deep.", param=place)
        case dict():
            for name, each in value.items():
                _require_plain(place, name, (), levels)
                _require_plain(place, each, known, levels - 1)
        case list():
            for each in value:
                _require_plain(place, each, known, levels - 1)
        case _:
            pass
