"""`multipart/form-data` (RFC 7578), as much of it as uploads are made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
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
    """By their names; of several with one name the last. Raises `ValidationFailedError`."""
    delimiter = b"\r\n--" + _boundary(content_type).encode()
    # The first one may stand at the start of the body, where no line ends before it.
    pieces = (b"\r\n" + body).split(delimiter, _MOST_PARTS + 1)
    if len(pieces) > _MOST_PARTS + 1 or len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _malformed()
    return dict(map(_part, pieces[1:-1]))


def _part(piece: bytes) -> tuple[str, Part]:
    head, separator, content = piece.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"\r\n") or len(head) > _LONGEST_HEAD:
        raise _malformed()
    told = Message()
    for line in head[2:].split(b"\r\n"):
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
