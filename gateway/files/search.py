"""What finds pieces of files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.files.meaning import Meaning
from gateway.ids import FileId, OrganizationId


@dataclass(frozen=True, slots=True)
class Passage:
    file: str = field(repr=False)
    """What it is called."""
    text: str = field(repr=False)


class FileSearch(Protocol):
    async def find(
        self, org: OrganizationId, files: Sequence[FileId], query: str, *, limit: int, meaning: Meaning | None = None
    ) -> Sequence[Passage]:
        """Passages of `files`, those of them that are `org`'s and ready, best first: by words, and by `meaning`.

        Raises `UnavailableError`.
        """
        ...
