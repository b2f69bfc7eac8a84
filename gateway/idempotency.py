"""Requests that their clients can name, so that asking twice does once (spec D13).

A name counts within one organisation and one path, for a day. What is kept
of a name and of what was sent under it are keyed digests: a client may have
put a patient's number into either.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import orjson

from gateway.errors import ValidationFailedError
from gateway.ids import OrganizationId
from gateway.tenancy import Principal

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
TO_BE_OPENED = timedelta(minutes=2)
"""For how long a key waits for its call to be opened: milliseconds, or a minute and a half while a database fails over.

A call that comes later is not opened: its key may be with another one.
"""
_FORM = re.compile(r"[\x21-\x7e]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request under one key, as digests."""

    org: OrganizationId
    digest: bytes
    """Of the organisation, the path and the key."""
    body_digest: bytes
    """Of everything that makes it this request and no other: the caller, its precondition and the body's bytes."""

    @classmethod
    def under(
        cls, key: str, *, secret: bytes, principal: Principal, path: str, body: bytes, precondition: Iterable[str] = ()
    ) -> Self:
        """`precondition` is `If-Match`, as sent.

        The caller is its key's line of successors, or an agent's credential: another of the organisation that names
        the same request must not be given this one's answer, which may show a new key's plaintext.
        """
        acting = principal.delegation and principal.delegation.credential
        named = orjson.dumps(["idempotency_key", principal.org, path, key])
        about = orjson.dumps(["idempotent_request", principal.family or acting or principal.user, [*precondition]])
        return cls(
            principal.org,
            hmac.digest(secret, named, "sha256"),
            hmac.digest(secret, b"%b\n%b" % (about, body), "sha256"),
        )


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer as it was given, to be given again. `headers` are those that belong to it, in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_key(sent: Iterable[str]) -> str | None:
    """The one key among the values of the header and its alias, None without any.

    Raises `ValidationFailedError`, which never repeats the key: nobody knows what is in it.
    """
    keys = set(sent)
    if not keys:
        return None
    if len(keys) > 1:
        raise ValidationFailedError(f"Send one `{HEADER}`, or `X-{HEADER}` with the same value.", param=HEADER)
    key = keys.pop()
    if not _FORM.match(key):
        raise ValidationFailedError(f"`{HEADER}` must be 1 to 255 visible ASCII characters.", param=HEADER)
    return key
