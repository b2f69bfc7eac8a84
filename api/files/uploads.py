"""Files as they come: in a form, or announced first and put to a link (spec, hatz 11, U33, U34)."""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter

from api.authentication import authenticate, require_scope
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.files import examples
from api.files.multipart import Part, parts_of
from api.files.routes import ids_of, json_answer, known
from api.files.schemas import AnnounceFileRequest
from api.harness.envelope import HARNESS
from api.idempotency import once
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, json_body, once_a_key
from api.state import gateway_of
from api.validation import read_object, validated
from gateway import errors as facts
from gateway.audit import AuditAction, PhiDisposition
from gateway.errors import TooLargeError, UnavailableError, ValidationFailedError
from gateway.events import Event, EventType
from gateway.files.chunking import chunks, tokens_in
from gateway.files.file import (
    LARGEST_FILE,
    LONGEST_NAME,
    FileAlreadyUploadedError,
    FileKind,
    FilesNotKeptError,
    FileState,
    FileStorageFullError,
    FileTypeError,
    TooManyFilesError,
)
from gateway.files.reading import Failure, read_text
from gateway.files.upload_links import VALID, UploadLinkError, make_link, read_link
from gateway.ids import FileId
from gateway.tenancy import Access, Caller, Scope
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Files"])

_TAKING_ERRORS = (
    *ACCESS_ERRORS,
    *IDEMPOTENCY_ERRORS,
    facts.BaaRequiredError,
    FileTypeError,
    FilesNotKeptError,
    TooManyFilesError,
    FileStorageFullError,
    facts.ValidationFailedError,
    facts.TooLargeError,
)

_FLAG = TypeAdapter(bool)
_READ_AGAIN_S = 5

_NO_CHARACTERS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of what is no part of a name: models read names, and a line of its own could tell them anything."""

_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "only_calculate_tokens": {
                            "type": "boolean",
                            "default": False,
                            "description": "Answers with the number of tokens at once, and keeps nothing.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/v1/files/upload",
    summary="Upload a file",
    response_class=Response,
    responses={
        200: examples.UPLOADED,
        **errors(HARNESS, *_TAKING_ERRORS),
    },
    openapi_extra=once_a_key(_FORM),
)
async def upload_file(request: Request) -> Response:
    """Text (.txt, .md, .csv, .json), .html, .pdf or .docx, in the field `file`; at most 30,000,000 bytes.

    Its text is read in the background: ask for its status. The file as it came is deleted then, and its text is kept,
    encrypted, as long as calls are. Needs the scope `ai:chat`.

    With the field `only_calculate_tokens` it is read at once, and not kept: the answer has `tokens`, and no id.
    """
    access = await authenticate(request, Scope.AI_CHAT)
    gateway_of(request).pipeline.require_agreement(access.policy)
    form = parts_of(request.headers.get("content-type", ""), await request.body())
    part = form.get("file")
    if part is None or part.file_name is None:
        raise ValidationFailedError("Send the file in the field `file`, with its name.", param="file")
    name, content = _base_name(part.file_name, param="file"), part.content
    kind = FileKind.of(name)
    _require_size(len(content))
    if _is_only_counted(form):
        return await _counted(request, kind, content)

    async def add(tx: Transaction) -> Response:
        file = await tx.files.add(access, name, content, by=tx.actor)
        return _has_come(request, tx, file.id, FileState.UPLOADING, size=file.bytes, kind=kind)

    return await once(request, access, add)


def _is_only_counted(form: Mapping[str, Part]) -> bool:
    said = form.get("only_calculate_tokens")
    if said is None:
        return False
    try:
        return _FLAG.validate_python(said.content.decode())
    except ValueError:
        raise ValidationFailedError("`true` or `false`.", param="only_calculate_tokens") from None


async def _counted(request: Request, kind: FileKind, content: bytes) -> Response:
    """What the older form of this route tells of a file that nobody keeps."""
    reading = gateway_of(request).reading
    if reading.locked():
        # Each waits with a file in its hands.
        raise UnavailableError(retry_after_s=_READ_AGAIN_S)
    async with reading:
        text = await read_text(kind, content)
    if isinstance(text, Failure):
        raise ValidationFailedError(text.message, param="file", details={"code": text.code})
    told = {"message": "The file is not kept.", "request_id": exchange_of(request).request_id}
    return json_answer({"tokens": tokens_in(chunks(text)), "file_uuid": None, **told})


class LinkQuery(BaseModel):
    token: Annotated[str, Field(max_length=256)]


@router.post(
    "/v1/files/upload-url",
    summary="Announce a file and have a link to upload it to",
    response_class=Response,
    responses={
        200: examples.ANNOUNCED,
        **errors(HARNESS, *_TAKING_ERRORS),
    },
    openapi_extra=once_a_key(json_body(AnnounceFileRequest, examples.ANNOUNCE_REQUEST)),
)
async def announce_file(request: Request) -> Response:
    """`PUT` its bytes to `upload_url` with `headers`, within a quarter of an hour; no key is needed for that.

    Who has the link uploads as who asked for it, once. Needs the scope `ai:chat`.
    """
    access, gateway = await authenticate(request, Scope.AI_CHAT), gateway_of(request)
    gateway.pipeline.require_agreement(access.policy)
    given = read_object(await request.body())
    body = validated(AnnounceFileRequest, given, unknown=ValidationFailedError)
    name = _base_name(body.file_name, param="file_name")
    kind = FileKind.of(name, param="file_name")
    _require_size(body.file_size)
    expires_at = (gateway.clock.now() + VALID).replace(microsecond=0)

    async def add(tx: Transaction) -> Response:
        file = await tx.files.announce(access, name, body.file_size, by=tx.actor)
        about = {"bytes": body.file_size, "kind": kind.value}
        tx.audit(AuditAction.FILE_ANNOUNCED, entity_type="file", entity_id=file.id, metadata=about)
        caller = Caller.of(access.principal)
        token = make_link(gateway.storage.keyring.links, file.id, caller, expires_at=expires_at)
        link = {
            "upload_url": f"{gateway.settings.base_url}/v1/files/{file.id}/content?token={token}",
            "method": "PUT",
            "headers": {"content-type": body.mime_type or "application/octet-stream"},
            "expires_at": expires_at.isoformat(),
        }
        told = {"status": file.state.value, "request_id": exchange_of(request).request_id}
        return json_answer({**ids_of(file.id), **link, **told})

    return await once(request, access, add)


@router.put(
    "/v1/files/{file_id}/content",
    summary="Upload an announced file",
    response_class=Response,
    responses={
        200: examples.UPLOADED,
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            UploadLinkError,
            facts.BaaRequiredError,
            facts.NotFoundError,
            FileAlreadyUploadedError,
            FilesNotKeptError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
async def put_content(request: Request, file_id: str, query: Annotated[LinkQuery, Query()]) -> Response:
    """To an `upload_url`, as who asked for it: what they may not do any more is refused."""
    file = known(file_id)
    access, address = await _uploader(request, file, query.token), exchange_of(request).ip_address
    content = await request.body()
    async with gateway_of(request).storage.begin(access.principal, ip_address=address) as tx:
        kind = await tx.files.fill(access, file, content)
        return _has_come(request, tx, file, FileState.PROCESSING, size=len(content), kind=kind)


async def _uploader(request: Request, file: FileId, token: str) -> Access:
    gateway, exchange = gateway_of(request), exchange_of(request)
    caller = read_link(gateway.storage.keyring.links, file, token, now=gateway.clock.now())
    exchange.access = access = await gateway.storage.standing.access_at(caller, exchange.ip_address)
    require_scope(access, Scope.AI_CHAT)
    gateway.pipeline.require_agreement(access.policy)
    return access


def _has_come(
    request: Request, tx: Transaction, file: FileId, state: FileState, *, size: int, kind: FileKind
) -> Response:
    """`state` is what clients of the route know it to say; its status is asked for elsewhere."""
    about = {"bytes": size, "kind": kind.value}
    phi = PhiDisposition.CONTAINS_PHI
    tx.audit(AuditAction.FILE_UPLOADED, entity_type="file", entity_id=file, metadata=about, phi=phi)
    tx.tell(Event(EventType.FILE_UPLOADED, {"file_id": file}))
    told = {"message": "The file is being read.", "request_id": exchange_of(request).request_id}
    return json_answer({**ids_of(file), "status": state.value, **told})


def _base_name(given: str, *, param: str) -> str:
    name = given.replace("\\", "/").rpartition("/")[2]
    if not name or len(name) > LONGEST_NAME:
        raise ValidationFailedError(f"The file's name has 1 to {LONGEST_NAME} characters.", param=param)
    if any(unicodedata.category(each) in _NO_CHARACTERS for each in name):
        raise ValidationFailedError("The file's name has control characters or line breaks in it.", param=param)
    return name


def _require_size(size: int) -> None:
    if size > LARGEST_FILE:
        raise TooLargeError(details={"max_bytes": LARGEST_FILE})
