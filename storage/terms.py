"""An organisation's own lists of terms, sealed: they may name patients."""

from dataclasses import dataclass

import orjson

from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from storage.encryption import ContentCipher, SealedValueError


@dataclass(frozen=True, slots=True, repr=False)
class Terms:
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()


async def seal_terms(cipher: ContentCipher, org: OrganizationId, terms: Terms) -> bytes | None:
    """None for empty lists, so that nobody has to open them."""
    if not terms.deny and not terms.allow:
        return None
    return await cipher.seal(org, _place(org), orjson.dumps({"deny": terms.deny, "allow": terms.allow}))


async def open_terms(cipher: ContentCipher, org: OrganizationId, sealed: bytes | None) -> Terms:
    """Raises `UnavailableError` for lists that do not open: without them nobody knows what to mask."""
    if sealed is None:
        return Terms()
    try:
        lists = orjson.loads(await cipher.open(org, _place(org), sealed))
    except SealedValueError:
        raise UnavailableError("The organization's own terms could not be opened.") from None
    return Terms(tuple(lists["deny"]), tuple(lists["allow"]))


def _place(org: OrganizationId) -> str:
    return f"organizations.phi_terms/{org}"
