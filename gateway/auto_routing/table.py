"""The table of `model: "auto"`: which size for which class, and which models are of it; shipped, or the operator's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.auto_routing.classes import Class, Complexity, Size, Task
from gateway.catalog.model import ModelName

_LARGEST_FILE = 1024 * 1024

_Names = Annotated[tuple[ModelName, ...], Field(max_length=64)]


class AutoTableError(Exception):
    """What is wrong with a table: places and reasons, never values."""


@dataclass(frozen=True, slots=True)
class AutoTable:
    """`models` are in the order of preference; names that the catalog does not have are passed over."""

    sizes: Mapping[Class, Size]
    models: Mapping[tuple[Size, Task], tuple[str, ...]]


class _File(BaseModel):
    """Every class and every size is said: one that is left out by mistake would be found by a caller."""

    model_config = ConfigDict(extra="forbid")

    sizes: dict[Complexity, dict[Task, Size]]
    models: dict[Size, dict[Task, _Names]]

    @model_validator(mode="after")
    def _is_whole(self) -> "_File":
        if any(set(self.sizes.get(complexity, ())) != set(Task) for complexity in Complexity):
            raise ValueError("sizes must name a size for every task of every complexity")
        if any(set(self.models.get(size, ())) != set(Task) for size in Size):
            raise ValueError("models must list models for every task of every size")
        return self


def read_auto_table(path: Path | None = None) -> AutoTable:
    """The shipped table, or the one in the file at `path` in its place.

    Raises `AutoTableError`, which says everything that is wrong at once.
    """
    shipped = files("gateway.auto_routing").joinpath("shipped.json")
    told = _File.model_validate_json(shipped.read_bytes()) if path is None else _parsed(path)
    return AutoTable(
        sizes={Class(complexity, task): size for complexity, row in told.sizes.items() for task, size in row.items()},
        models={(size, task): names for size, row in told.models.items() for task, names in row.items()},
    )


def _parsed(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise AutoTableError(f"the file cannot be read ({error.strerror})") from None
    if len(raw) > _LARGEST_FILE:
        raise AutoTableError(f"the file is larger than {_LARGEST_FILE} bytes")
    try:
        return _File.model_validate_json(raw)
    except ValidationError as error:
        raise AutoTableError("; ".join(_said(error))) from None


def _said(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(str(step) for step in problem["loc"] if step != "[key]")
        yield f"{place or 'the file'}: {problem['msg']}"
