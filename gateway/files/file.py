"""A file that a caller uploads: how far it is, and what is read out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.errors import GatewayError, Kind
from gateway.ids import FileId

LARGEST_FILE: Final = 30_000_000
"""Bytes."""
LONGEST_NAME: Final = 255
MOST_FILES: Final = 10_000
"""Of an organisation, at a time."""
MOST_BYTES: Final = 10_000_000_000
"""Of all its files, as they came or were announced."""


class FileState(StrEnum):
    UPLOADING = "uploading"
    """Announced; its bytes have not come."""
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class FileKind(StrEnum):
    """What a file is read as."""

    TEXT = "text"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"

    @classmethod
    def of(cls, name: str, *, param: str = "file") -> "FileKind":
        """By the name's ending: what a client says of its type is often wrong.

        Raises `FileTypeError` about `param`.
        """
        kind = _ENDINGS.get(name.rpartition(".")[2].lower()) if "." in name else None
        if kind is None:
            raise FileTypeError(param=param)
        return kind


_ENDINGS = {
    **dict.fromkeys(("txt", "md", "csv", "json"), FileKind.TEXT),
    **dict.fromkeys(("html", "htm"), FileKind.HTML),
    "pdf": FileKind.PDF,
    "docx": FileKind.DOCX,
}


class FileTypeError(GatewayError):
    kind, code = Kind.UNSUPPORTED, "FILE_TYPE_NOT_SUPPORTED"
    message = "Files end in .txt, .md, .csv, .json, .html, .htm, .pdf or .docx."


class FilesNotKeptError(GatewayError):
    """Files live in the database alone."""

    kind, code = Kind.CONFLICT, "FILE_NOT_STORABLE"
    message = "This organization keeps no content, and a file has to be kept to be read."


class TooManyFilesError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_FILES"
    message = f"An organization has at most {MOST_FILES} files. Delete some first."


class FileStorageFullError(GatewayError):
    kind, code = Kind.CONFLICT, "FILE_STORAGE_FULL"
    message = f"An organization's files have at most {MOST_BYTES:,} bytes in all. Delete some first."


class FileHeldError(GatewayError):
    """Nothing is destroyed while somebody may need it as evidence."""

    kind, code = Kind.CONFLICT, "FILE_HELD"
    message = "The organization has a legal hold, or has lifted it less than a week ago: no file is deleted."


class FileAlreadyUploadedError(GatewayError):
    kind, code = Kind.CONFLICT, "FILE_ALREADY_UPLOADED"
    message = "The bytes of this file have come before: ask for its status."


class FileNotReadyError(GatewayError):
    kind, code = Kind.CONFLICT, "FILE_NOT_READY"
    message = "The file is not `ready`: ask for its status."


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`tokens` is about how many its text comes to, and `phi` how many of each kind of PHI the guard saw in it.

    Both are known once it is `ready`. `error` is a code and a text of ours.
    """

    id: FileId
    name: str = field(repr=False)
    bytes: int
    state: FileState
    tokens: int | None
    phi: Mapping[str, int] | None
    error: tuple[str, str] | None
    created_at: datetime
