"""The body of `/v1/files/upload-url`. Fields that are not declared are ignored."""

from typing import Annotated

from pydantic import BaseModel, Field

_LARGEST_NUMBER = 2**53


class AnnounceFileRequest(BaseModel):
    file_name: Annotated[str, Field(min_length=1, max_length=1_000)]
    file_size: Annotated[int, Field(ge=1, le=_LARGEST_NUMBER, strict=True, description="Bytes; exactly as many come.")]
    mime_type: Annotated[str, Field(pattern=r"^[!-~][ -~]{0,199}$")] | None = Field(
        default=None, description="What the link is put with. The file is read by its name's ending."
    )
