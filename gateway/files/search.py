"""What finds pieces of files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.ids import FileId, OrganizationId


@dataclass(frozen=True, slots=True)
class Passage:
    file: str = field(repr=False)
    """What it is called."""
    text: str = field(repr=False)


class FileSearch(Protocol):
    async def find(self, org: OrganizationId, files: Sequence[FileId], query: str, *, limit: int) -> Sequence[Passage]:
        """Passages of `files`, those of them that are `org`'s and ready, best first. Raises `UnavailableError`."""
        ...
