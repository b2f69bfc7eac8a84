"""The table of `auto`: the shipped one, and what an operator's may say."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.auto_routing import AutoTableError, read_auto_table
from gateway.auto_routing.classes import Class, Complexity, Size, Task
from gateway.catalog import shipped_catalog

Json = dict[str, Any]

TASKS = [task.value for task in Task]
SIZES: Json = {complexity.value: dict.fromkeys(TASKS, "large") for complexity in Complexity}
MODELS: Json = {size.value: {task: ["local-llama"] for task in TASKS} for size in Size}
TWO_WORDS: Json = {task: ["two words"] for task in TASKS}
BROKEN: dict[str, tuple[bytes | Json, str]] = {
    "not JSON": (b"{", "Invalid JSON"),
    "more": ({"sizes": SIZES, "models": MODELS, "more": 1}, "more: Extra inputs"),
    "a complexity": ({"sizes": {"simple": SIZES["simple"]}, "models": MODELS}, "a size for every task"),
    "a task": ({"sizes": SIZES, "models": {size.value: {"coding": []} for size in Size}}, "models for every task"),
    "a size": ({"sizes": SIZES | {"simple": dict.fromkeys(TASKS, "huge")}, "models": MODELS}, "sizes.simple.general"),
    "a name": ({"sizes": SIZES, "models": MODELS | {"small": TWO_WORDS}}, "models.small.general.0"),
    "its length": (b" " * (1024 * 1024 + 1), "larger than"),
}


def written(folder: Path, value: object) -> Path:
    file = folder / "auto.json"
    file.write_bytes(value if isinstance(value, bytes) else orjson.dumps(value))
    return file


def test_the_shipped_table_names_models_that_are_there() -> None:
    table = read_auto_table()

    assert {name for names in table.models.values() for name in names} <= {model.id for model in shipped_catalog()}
    assert all(table.models[size, task] for size in Size for task in Task)


def test_an_operators_table_replaces_the_shipped_one(tmp_path: Path) -> None:
    table = read_auto_table(written(tmp_path, {"sizes": SIZES, "models": MODELS}))

    assert table.sizes[Class(Complexity.SIMPLE, Task.CODING)] is Size.LARGE
    assert set(table.models.values()) == {("local-llama",)}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_wrong_with_a_table_is_said(tmp_path: Path, broken: str) -> None:
    value, problem = BROKEN[broken]

    with pytest.raises(AutoTableError, match=problem) as raised:
        read_auto_table(written(tmp_path, value))

    assert "two words" not in str(raised.value)


def test_a_table_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(AutoTableError, match="cannot be read"):
        read_auto_table(tmp_path / "nowhere.json")
