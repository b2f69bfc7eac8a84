"""Body of a request for an erasure."""

from typing import Annotated

from pydantic import Field

from api.content.schemas import Strict


class ErasureRequest(Strict):
    """May be left out."""

    reference: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=64,
            pattern=r"^[A-Za-z0-9._-]+$",
            description="What you call the request: one word, kept and certified. No name.",
        ),
    ] = None
