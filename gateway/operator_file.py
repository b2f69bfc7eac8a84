"""JSON files that an operator writes. Everything wrong with one is said at once, each with its place.

Values are never repeated: a key pasted where its name belongs must not reach
a log.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import orjson
from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

MAX_FILE_BYTES = 4 * 1024 * 1024
_MAX_KEY_BYTES = 16 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_File = TypeVar("_File", bound=BaseModel)


class OperatorFileError(Exception):
    """What is wrong with a file, a line each: places and reasons, never values."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def parsed(path: Path, kind: type[_File]) -> _File:
    """Raises `OperatorFileError` for a file that cannot be read, or is not of that kind."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise OperatorFileError([f"the file cannot be read ({error.strerror})"]) from None
    if len(raw) > MAX_FILE_BYTES:
        raise OperatorFileError([f"the file is larger than {MAX_FILE_BYTES} bytes"])
    # Editors on Windows begin a file with it.
    raw = raw.removeprefix(_BYTE_ORDER_MARK)
    try:
        value: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise OperatorFileError([f"line {error.lineno}, column {error.colno}: not JSON"]) from None
    try:
        file = kind.model_validate(value)
    except ValidationError as error:
        raise OperatorFileError(said(error)) from None
    _require_each_name_once(raw)
    return file


def said(error: ValidationError) -> Iterator[str]:
    """Each problem with its place, and no values."""
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"])
        yield f"{place.lstrip('.') or 'the file'}: {problem['msg'].removeprefix('Value error, ')}"


def named_key(
    variable: str | None, path: Path | None, environment: Callable[[str], str | None]
) -> tuple[SecretStr | None, str | None]:
    """The key that an entry refers to as `api_key_env` or `api_key_file`, and what is wrong with the reference."""
    if variable is not None:
        source, key = "api_key_env: this environment variable", environment(variable) or ""
    elif path is not None:
        source, key = "api_key_file: this file", _read_key(path)
    else:
        return None, None
    if not key or not key.isascii() or not key.isprintable():
        return None, f"{source} holds no key"
    return SecretStr(key), None


def _require_each_name_once(raw: bytes) -> None:
    """Of two equal names in an object a parser keeps the last: half of what an operator wrote would be gone unsaid."""
    twice: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        counted = Counter(name for name, _ in pairs)
        twice.extend(f"{name}: given twice in one object" for name, count in counted.items() if count > 1)

    json.loads(raw, object_pairs_hook=note)
    if twice:
        raise OperatorFileError(twice)


def _read_key(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_KEY_BYTES + 1)
        return raw.decode().strip() if len(raw) <= _MAX_KEY_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""
