"""`file.embed`: meanings of a file's pieces, made by a server of the operator's. Only ids come and go."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from temporalio import activity

from activities.file_processing import UploadedFile
from activities.heartbeat import beating
from activities.surface import surfaced
from gateway.files.meaning import AT_ONCE, Meaning, Meanings
from gateway.ids import FileId, OrganizationId
from storage import Storage
from storage.files.embedding import FileEmbedding

_PATIENCE_S: Final = 60.0


class FileEmbeddingActivities:
    """Safe to run twice, also at once: whoever comes later finds what the earlier one kept, and goes on from there."""

    def __init__(self, storage: Storage, meanings: Callable[[], Awaitable[Meanings | None]]) -> None:
        self._standing = storage.standing
        self._embedding = FileEmbedding(storage.pool, storage.cipher)
        self._meanings = meanings

    @activity.defn(name="file.embed")
    @surfaced
    async def embed(self, file: UploadedFile) -> None:
        """Nothing where there is no server, or a database that cannot compare vectors.

        Raises `UnavailableError` while the server is away: what it has made by then is kept.
        """
        org, known = OrganizationId(file.org), FileId(file.id)
        async with beating():
            meanings = await self._meanings()
            key = await self._embedding.key(org, known) if meanings is not None else None
            if meanings is None or key is None:
                return
            last = -1
            while page := await self._embedding.without(org, known, meanings.model, after=last, limit=AT_ONCE):
                found = await self._of(meanings, org, [text for _, text in page])
                kept = [(place, each) for (place, _), each in zip(page, found, strict=True) if each is not None]
                await self._embedding.keep(org, known, key, kept)
                last = page[-1][0]

    async def _of(self, meanings: Meanings, org: OrganizationId, texts: Sequence[str]) -> Sequence[Meaning | None]:
        # Each time: what may leave may have changed by now.
        policy = await self._standing.policy_of(org)
        return await meanings.of(texts, policy, org=org, timeout_s=_PATIENCE_S)
