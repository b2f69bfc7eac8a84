"""Reads an export piece by piece, whatever its size, and believes nothing: the file may be hostile."""

import codecs
import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any, NoReturn

from pydantic import JsonValue

from gateway.audit.chain import canonical_json
from gateway.audit.export_format import Header, UnreadableError, read_header
from gateway.nesting import is_too_deep

MAX_HEADER = 64 * 2**20
"""Characters of any part but an entry: about 8,000 time-stamps."""
MAX_ENTRY = 2**20
_CHUNK = 2**18
_SPACE = " \t\r\n"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Only an escape can be half of a pair."""


class HostileError(ValueError):
    """JSON that parsers read differently: the text says in what."""


class ExportReader:
    """The parts of one export, in the order of the file: the header is read at once, then `entries()`, then `proof`.

    Raises `UnreadableError` for what is no export, and `HostileError` for an entry that cannot be taken
    for one thing only. Memory is bounded by the largest part.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._text = _Text(stream)
        self.members: dict[str, object] = {}
        """The header as it was written."""
        self.proof: object = None
        self._text.expect("{")
        while (name := self._member()) != "entries":
            self.members[name] = self._header_value()
            self._text.expect(",")
        self.header: Header = read_header(self.members)

    def entries(self) -> Iterator[object]:
        self._text.expect("[")
        if self._text.peek() == "]":
            self._text.expect("]")
        else:
            yield self._text.value(MAX_ENTRY)
            while self._text.expect(",", "]") == ",":
                yield self._text.value(MAX_ENTRY)
        self._close()

    def _close(self) -> None:
        if self._text.expect(",", "}") == ",":
            if self._member() != "proof":
                raise UnreadableError("the export has an unknown part after its entries")
            self.proof = self._header_value()
            self._text.expect("}")
        if self._text.peek():
            raise UnreadableError("the export goes on after its end")

    def _member(self) -> str:
        name = self._header_value()
        if not isinstance(name, str) or name in self.members:
            raise UnreadableError("the export names a part twice, or not at all")
        self._text.expect(":")
        return name

    def _header_value(self) -> object:
        try:
            return self._text.value(MAX_HEADER)
        except HostileError as error:
            raise UnreadableError(f"the export's header {error}") from None


class _Text:
    """A window on the file's characters that moves forward."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._window = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is no space, "" at the end."""
        while True:
            while self._at < len(self._window):
                character = self._window[self._at]
                if character not in _SPACE:
                    return character
                self._at += 1
            if self._ended:
                return ""
            self._read(_CHUNK)

    def expect(self, *characters: str) -> str:
        found = self.peek()
        if found not in characters:
            raise UnreadableError("it is not the JSON of an export, or is cut off")
        self._at += 1
        return found

    def value(self, limit: int) -> object:
        """The next JSON value, of at most `limit` characters."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, self._at)
            except RecursionError:
                raise HostileError("is nested too deeply") from None
            except json.JSONDecodeError:
                if self._ended:
                    raise UnreadableError("it is not JSON, or is cut off") from None
                have = len(self._window) - self._at
                if have > limit:
                    raise HostileError("is not JSON, or too long") from None
                # Twice as much each time, up to the limit: what does not end is not parsed again and again.
                self._read(max(_CHUNK, min(have, limit - have)))
                continue
            except HostileError:
                raise
            except ValueError:
                raise HostileError("has a number of too many digits") from None
            self._require_tame(value, end, limit)
            self._at = end
            return value

    def _require_tame(self, value: JsonValue, end: int, limit: int) -> None:
        """Raises `HostileError` for the value whose text goes on to `end`."""
        if end - self._at > limit:
            raise HostileError("is too long")
        brackets = self._window.count("{", self._at, end) + self._window.count("[", self._at, end)
        if is_too_deep(value, brackets=brackets):
            raise HostileError("is nested too deeply")
        if _SURROGATE.search(self._window, self._at, end) and not _is_writable(value):
            raise HostileError("has half a surrogate pair")

    def _read(self, size: int) -> None:
        data = self._stream.read(size)
        self._ended = not data
        try:
            self._window = self._window[self._at :] + self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError:
            raise UnreadableError("it is not UTF-8") from None
        self._at = 0


def _is_writable(value: object) -> bool:
    try:
        canonical_json(value)
    except ValueError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise HostileError("has a key twice")
    return members


def _no_number(_: str) -> NoReturn:
    raise HostileError("has a number that is no integer")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_no_number, parse_constant=_no_number)


def loads(data: bytes, what: str) -> object:
    """A small document, as strictly. Raises `UnreadableError`."""
    text = _Text(BytesIO(data))
    try:
        value = text.value(MAX_HEADER)
    except HostileError as error:
        raise UnreadableError(f"{what} {error}") from None
    if text.peek():
        raise UnreadableError(f"{what} goes on after its end")
    return value
