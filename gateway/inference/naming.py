"""What Claude's clients call models, and what is meant here (spec U28).

A caller's own mapping says what a shorthand stands for; else it is the
family's newest model that the caller may use.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from gateway.catalog import Catalog, Model
from gateway.inference.admission import is_enabled
from gateway.tenancy import Access

SHORTHANDS = ("haiku", "sonnet", "opus")

_PREFIX = "anthropic."
_SUFFIX = re.compile(r"\[[^\[\]]*\]\Z")
_DATE = re.compile(r"-[0-9]{8}\Z")


def claude_name(asked: str, access: Access, *, catalog: Catalog, now: datetime, any_version: bool = False) -> str:
    """A name that the catalog has, or `asked` as it is.

    `any_version` lets a Claude that is not in the catalog be its family's newest.
    """
    if catalog.find(asked) is not None and asked not in access.choices.shorthands:
        return asked
    bare = _SUFFIX.sub("", asked)
    if bare in access.choices.shorthands:
        return access.choices.shorthands[bare]
    found = next((name for name in _spellings(bare) if catalog.find(name) is not None), None)
    if found is not None:
        return found
    family = bare if bare in SHORTHANDS else _family(bare) if any_version else None
    newest = _newest(family, access, catalog=catalog, now=now) if family else None
    return newest.id if newest else asked


def _spellings(name: str) -> Iterator[str]:
    """With and without its date and its developer, the longest first."""
    plain = name.removeprefix(_PREFIX)
    for each in dict.fromkeys((plain, _DATE.sub("", plain))):
        yield each
        yield f"{_PREFIX}{each}"


def _family(name: str) -> str | None:
    """The family of a name such as `claude-sonnet-4-6` or `claude-3-5-haiku`."""
    first, *rest = name.removeprefix(_PREFIX).split("-")
    return next((word for word in rest if word in SHORTHANDS), None) if first == "claude" else None


def _newest(family: str, access: Access, *, catalog: Catalog, now: datetime) -> Model | None:
    """The one that the caller may use; without any, the one whose refusal tells them why."""
    members = [model for model in catalog if model.family == family and not model.is_retired(now)]
    enabled = [model for model in members if is_enabled(model, access, now=now)]
    return max(enabled or members, key=lambda model: model.created_at, default=None)
