"""`multipart/form-data` (RFC 7578), as much of it as uploads are made of."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from itertools import islice, pairwise
from typing import Final

from gateway.errors import ValidationFailedError

_MOST_PARTS: Final = 20
_LONGEST_HEAD: Final = 4_096
"""A name of 255 characters in percents fits."""
_LONGEST_TYPE: Final = 1_024
"""Both are parsed in a time that grows with their square, and a number in them (RFC 2231) may not have 4,300 digits."""
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}")


@dataclass(frozen=True, slots=True)
class Part:
    """`file_name` is None for a plain field."""

    file_name: str | None = field(repr=False)
    content: bytes = field(repr=False)


def parts_of(content_type: str, body: bytes) -> Mapping[str, Part]:
    """By their names; of several with one name the last. Raises `ValidationFailedError`.

    Uploads are large, and others wait while one is parsed: what they have is searched and copied once.
    """
    found = [*islice(_delimiters(body, b"\r\n--" + _boundary(content_type).encode()), _MOST_PARTS + 2)]
    if not found or len(found) > _MOST_PARTS + 1 or not body.startswith(b"--", found[-1][1]):
        raise _malformed()
    return dict(_part(body, begin, end) for (_, begin), (end, _) in pairwise(found))


def _delimiters(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Where each begins and ends."""
    first = delimiter.removeprefix(b"\r\n")
    # The first one may stand at the start of the body, where no line ends before it.
    end = 0
    if body.startswith(first):
        end = len(first)
        yield 0, end
    while (begin := body.find(delimiter, end)) != -1:
        end = begin + len(delimiter)
        yield begin, end


def _part(body: bytes, begin: int, end: int) -> tuple[str, Part]:
    head_end = body.find(b"\r\n\r\n", begin, min(end, begin + _LONGEST_HEAD))
    if head_end <= begin or not body.startswith(b"\r\n", begin):
        raise _malformed()
    head, content = body[begin + 2 : head_end], body[head_end + 4 : end]
    told = Message()
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() == b"content-disposition":
            told["content-disposition"] = value.strip().decode("utf-8", "replace")
    name = told.get_param("name", header="content-disposition")
    if told.get_content_disposition() != "form-data" or not isinstance(name, str):
        raise _malformed()
    return name, Part(_file_name(told), content)


def _file_name(told: Message) -> str | None:
    try:
        return told.get_filename()
    except ValueError:
        # In an encoding (RFC 2231) that it is not in.
        raise _malformed() from None


def _boundary(content_type: str) -> str:
    if len(content_type) > _LONGEST_TYPE:
        raise _malformed()
    told = Message()
    told["content-type"] = content_type
    boundary = told.get_param("boundary")
    if told.get_content_type() != "multipart/form-data" or not isinstance(boundary, str):
        raise ValidationFailedError("Send `multipart/form-data` with the file in the field `file`.", param="file")
    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed()
    return boundary


def _malformed() -> ValidationFailedError:
    return ValidationFailedError("The body is no well-formed `multipart/form-data`.", param="file")
