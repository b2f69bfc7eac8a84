"""Whether events may go to a URL, asked when somebody wants that; sending asks again, every time."""

import asyncio

from gateway.errors import ValidationFailedError
from gateway.outside.lookup import Lookup, find_addresses
from gateway.outside.target import MAX_URL_CHARS, TargetError, read_target

_LOOKUP_S = 2.0


async def require_reachable(name: str, url: str, *, lookup: Lookup, allow_private: bool) -> str:
    """The URL of the field `name`, in the one spelling that is kept. Looks its host up, for two seconds at most.

    Raises `ValidationFailedError`, which quotes nothing, and of a host does not say whether it is private or not
    there: whoever asks may be learning the names of our network.
    """
    try:
        target = read_target(url, allow_private=allow_private)
    except TargetError as reason:
        raise ValidationFailedError(f"`{name}` {reason}.", param=name) from None
    kept = str(target.url)
    if len(kept) > MAX_URL_CHARS:
        raise ValidationFailedError(f"`{name}` is longer than {MAX_URL_CHARS} characters when encoded.", param=name)
    if target.address is None and not allow_private:
        try:
            async with asyncio.timeout(_LOOKUP_S):
                await find_addresses(target.host, lookup)
        except (OSError, TimeoutError):
            raise ValidationFailedError(
                f"`{name}` names a host that was not found on the public Internet.", param=name
            ) from None
    return kept
