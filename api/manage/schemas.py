"""Bodies of the control plane."""

from typing import Annotated

from pydantic import Field

from api.content.schemas import Strict
from gateway.tenancy import KeyMode, Scope

_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"


class CreateKeyRequest(Strict):
    """A new API key. Its plaintext is shown once, in the answer."""

    name: Annotated[
        str,
        Field(max_length=100, pattern=_PRINTABLE, description="Not blank, and without control characters."),
    ]
    # Enums are read from their values: `strict` would ask for members.
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1)]
    mode: Annotated[
        KeyMode | None,
        Field(strict=False, description="`test` keys reach the sandbox only. Default: the calling key's mode."),
    ] = None
