"""The key of one export, which its parts are sealed under: it lies sealed under the key of whom the export is of.

So whoever destroys either has destroyed the export.
"""

import zlib
from dataclasses import dataclass, field
from typing import LiteralString

import orjson
from cryptography.exceptions import InvalidTag

from gateway.errors import UnavailableError
from gateway.ids import EndUserId, OrganizationId
from storage.encryption import ContentCipher, SealedValueError
from storage.pool import Pool, fetch
from storage.symmetric import SymmetricKey

_LEVEL = 1

_SEALED: LiteralString = "select sealed_key from end_user_exports where id = %s and org_id = %s"


@dataclass(frozen=True, slots=True)
class ExportKey:
    """Seals and opens parts, compressed."""

    org: OrganizationId
    export_id: str
    key: SymmetricKey = field(repr=False)

    def seal(self, number: int, content: bytes) -> bytes:
        return self.key.seal(zlib.compress(content, _LEVEL), self._context(number))

    def open(self, number: int, sealed: bytes) -> bytes:
        """Raises `UnavailableError` for a part that is not what was sealed."""
        try:
            return zlib.decompress(self.key.open(sealed, self._context(number)))
        except (InvalidTag, zlib.error):
            raise UnavailableError("The stored export could not be opened.") from None

    def _context(self, number: int) -> bytes:
        return orjson.dumps([self.org, f"end_user_export_parts.content/{self.export_id}/{number}"])


async def fresh_key(cipher: ContentCipher, org: OrganizationId, end_user: EndUserId, export_id: str) -> bytes | None:
    """A key for a new export, sealed; None: whom it is of has no key any more."""
    own = await cipher.key_of_end_user(org, end_user)
    return None if own is None else own.seal(_place(export_id), SymmetricKey.fresh().secret)


async def read_key(pool: Pool, cipher: ContentCipher, org: OrganizationId, export_id: str) -> ExportKey | None:
    """None: it was destroyed, or whom the export is of was erased. Raises `UnavailableError`."""
    rows = await fetch(pool, _SEALED, [export_id, org])
    if not rows or rows[0][0] is None:
        return None
    try:
        (secret,) = await cipher.open_all(org, [(_place(export_id), bytes(rows[0][0]))])
    except SealedValueError:
        raise UnavailableError("The stored export could not be opened.") from None
    return None if secret is None else ExportKey(org, export_id, SymmetricKey.of(secret))


def _place(export_id: str) -> str:
    return f"end_user_exports.sealed_key/{export_id}"
