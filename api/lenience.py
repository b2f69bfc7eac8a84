"""Bodies whose undeclared fields are ignored wherever they stand: what compatibility surfaces promise new clients."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from api.validation import explained
from gateway.errors import ValidationFailedError

SchemaT = TypeVar("SchemaT", bound=BaseModel)
Loc = Sequence[int | str]

_MOST_UNKNOWN = 10_000


def validated_leniently(schema: type[SchemaT], value: dict[str, JsonValue]) -> SchemaT:
    """`value` as `schema`, whose undeclared fields are taken out of it.

    Raises `ValidationFailedError` for declared ones that are wrong.
    """
    while True:
        try:
            return schema.model_validate(value)
        except ValidationError as failure:
            if failure.error_count() > _MOST_UNKNOWN:
                rules = None
            else:
                rules = failure.errors(include_url=False, include_context=False, include_input=False)
        # Outside the `except`: an error chained to pydantic's would carry the body along.
        if rules is None:
            raise ValidationFailedError("The request has too many fields that are not known here.")
        found = [(rule["type"], rule["loc"], rule["msg"]) for rule in rules]
        if sum(_take_out(loc, value) for rule, loc, _ in found if rule == "extra_forbidden") == 0:
            raise explained(found, value, unknown=ValidationFailedError)


def _take_out(loc: Loc, value: JsonValue) -> bool:
    """Remove the field at `loc`; whether it was there. A step that leads nowhere is the name of a union's branch."""
    step, rest = loc[0], loc[1:]
    if isinstance(step, int):
        return isinstance(value, list) and bool(rest) and _take_out(rest, value[step])
    if not rest:
        if not isinstance(value, dict) or step not in value:
            return False
        del value[step]
        return True
    if isinstance(value, dict) and step in value and _take_out(rest, value[step]):
        return True
    return _take_out(rest, value)
