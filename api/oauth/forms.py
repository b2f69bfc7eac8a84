"""The one form that introspection and revocation take (RFC 7662 section 2.1, RFC 7009 section 2.1)."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import Request

from gateway.errors import ValidationFailedError

_MEDIA_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 10


@dataclass(frozen=True, slots=True)
class TokenForm:
    """`token_type_hint` is read and not needed: there is one kind of token."""

    token: str


async def read_token_form(request: Request) -> TokenForm:
    """Raises `ValidationFailedError` for another media type, a field that is missing or there twice, and no UTF-8."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _MEDIA_TYPE:
        raise ValidationFailedError(f"The body must be {_MEDIA_TYPE}.")
    fields = _fields(await request.body())
    tokens = [value for name, value in fields if name == "token"]
    hints = [value for name, value in fields if name == "token_type_hint"]
    if not any(tokens):
        raise ValidationFailedError("`token` is required.", param="token")
    for name, values in (("token", tokens), ("token_type_hint", hints)):
        if len(values) > 1:
            raise ValidationFailedError(f"`{name}` was sent more than once.", param=name)
    return TokenForm(tokens[0])


def _fields(body: bytes) -> list[tuple[str, str]]:
    if not body:
        return []
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise ValidationFailedError("The body is not a form of a few fields in UTF-8.") from None
