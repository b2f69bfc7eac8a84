"""Who asks about tokens: an API key, as Bearer or as a client's secret (RFC 6749 section 2.3.1), or an agent."""

from base64 import b64decode
from urllib.parse import unquote_plus

from fastapi import Request

from api.authentication import identified, presented
from gateway.errors import InvalidApiKeyError
from gateway.ids import find_ulid
from gateway.tenancy import Access


async def authenticate_client(request: Request) -> Access:
    """The caller. With HTTP Basic the key's id is the client's id, and the key its secret; nothing else goes along.

    Raises as `api.authentication.authenticate` does.
    """
    sent = [value.partition(" ") for value in request.headers.getlist("authorization")]
    basic = [credentials for scheme, _, credentials in sent if scheme.lower() == "basic"]
    if not basic:
        return await identified(request, presented(request))
    if len(sent) > 1 or "x-api-key" in request.headers:
        raise InvalidApiKeyError
    client, secret = _basic(basic[0])
    access = await identified(request, secret)
    if access.principal.key is None or find_ulid(client, "key_") != access.principal.key:
        raise InvalidApiKeyError
    return access


def _basic(credentials: str) -> tuple[str, str]:
    try:
        client, colon, secret = b64decode(credentials, validate=True).decode("ascii").partition(":")
    except ValueError:
        raise InvalidApiKeyError from None
    if not colon:
        raise InvalidApiKeyError
    return unquote_plus(client), unquote_plus(secret)
