"""`/v1/files/*`: files that chats may ask about (spec, hatz 11, U33)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api.authentication import authenticate, caller
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.files import examples
from api.files.multipart import parts_of
from api.harness.envelope import HARNESS
from api.idempotency import once
from api.openapi import ACCESS_ERRORS, IDEMPOTENCY_ERRORS, errors, once_a_key
from api.state import gateway_of
from gateway import errors as facts
from gateway.audit import AuditAction, PhiDisposition
from gateway.errors import NotFoundError, TooLargeError, ValidationFailedError
from gateway.events import Event, EventType
from gateway.files.file import (
    LARGEST_FILE,
    LONGEST_NAME,
    FileKind,
    FilesNotKeptError,
    FileTypeError,
    StoredFile,
    TooManyFilesError,
)
from gateway.ids import FileId, find_uuid
from gateway.tenancy import Access, Scope
from storage.transaction import Transaction

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Files"])

Caller = Annotated[Access, Depends(caller(Scope.AI_CHAT))]
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
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
        **errors(
            HARNESS,
            *ACCESS_ERRORS,
            *IDEMPOTENCY_ERRORS,
            facts.BaaRequiredError,
            FileTypeError,
            FilesNotKeptError,
            TooManyFilesError,
            facts.ValidationFailedError,
            facts.TooLargeError,
        ),
    },
    openapi_extra=once_a_key(_UPLOAD_BODY),
)
async def upload_file(request: Request) -> Response:
    """Text (.txt, .md, .csv, .json), .html, .pdf or .docx, in the field `file`; at most 30,000,000 bytes.

    Its text is read in the background: ask for its status. The file as it came is deleted then, and its text is kept,
    encrypted, as long as calls are. Needs the scope `ai:chat`.
    """
    access = await authenticate(request, Scope.AI_CHAT)
    gateway_of(request).pipeline.require_agreement(access.policy)
    part = parts_of(request.headers.get("content-type", ""), await request.body()).get("file")
    if part is None or part.file_name is None:
        raise ValidationFailedError("Send the file in the field `file`, with its name.", param="file")
    name, content = part.file_name.replace("\\", "/").rpartition("/")[2], part.content
    if not name or len(name) > LONGEST_NAME:
        raise ValidationFailedError(f"The file's name has 1 to {LONGEST_NAME} characters.", param="file")
    kind = FileKind.of(name)
    if len(content) > LARGEST_FILE:
        raise TooLargeError(details={"max_bytes": LARGEST_FILE})

    async def add(tx: Transaction) -> Response:
        file = await tx.files.add(access, name, content, by=tx.actor)
        about = {"bytes": file.bytes, "kind": kind.value}
        phi = PhiDisposition.CONTAINS_PHI
        tx.audit(AuditAction.FILE_UPLOADED, entity_type="file", entity_id=file.id, metadata=about, phi=phi)
        tx.tell(Event(EventType.FILE_UPLOADED, {"file_id": file.id}))
        told = {"message": "The file is being read.", "request_id": exchange_of(request).request_id}
        return _json({**_ids(file.id), "status": file.state.value, **told})

    return await once(request, access, add)


@router.get(
    "/v1/files/{file_id}/status",
    summary="How far a file is",
    response_class=Response,
    responses={200: examples.STATUS, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_status(request: Request, access: Caller, file_id: str) -> Response:
    """`processing`, then `ready` or `failed`. Needs the scope `ai:chat`."""
    gateway_of(request).pipeline.require_readable(access.policy)
    async with gateway_of(request).storage.read(access.principal) as tx:
        file = await tx.files.get(_known(file_id))
    error = None if file.error is None else {"code": file.error[0], "message": file.error[1]}
    return _json({**_ids(file.id), "status": file.state.value, "tokens": file.tokens, "error": error})


@router.get(
    "/v1/files/",
    summary="List the organization's files",
    response_class=Response,
    responses={200: examples.FILES, **errors(HARNESS, *ACCESS_ERRORS)},
)
async def list_files(request: Request, access: Caller) -> Response:
    """Newest first. Names may be of patients, so that being shown them is audited. Needs the scope `ai:chat`."""
    gateway, address = gateway_of(request), exchange_of(request).ip_address
    gateway.pipeline.require_readable(access.policy)
    async with gateway.storage.begin(access.principal, ip_address=address) as tx:
        files = await tx.files.all()
        about = {"files": len(files)}
        phi = PhiDisposition.CONTAINS_PHI if files else PhiDisposition.NOT_PRESENT
        org = access.principal.org
        tx.audit(AuditAction.FILES_LISTED, entity_type="organization", entity_id=org, metadata=about, phi=phi)
    return _json({"data": [*map(_shown, files)]})


@router.delete(
    "/v1/files/{file_id}",
    summary="Delete a file (extension)",
    response_class=Response,
    responses={200: examples.DELETED, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def delete_file(request: Request, access: Caller, file_id: str) -> Response:
    """With all that was read out of it. Needs the scope `ai:chat`."""
    gateway, address = gateway_of(request), exchange_of(request).ip_address
    found = _known(file_id)
    async with gateway.storage.begin(access.principal, ip_address=address) as tx:
        await tx.files.remove(found)
        tx.audit(AuditAction.FILE_DELETED, entity_type="file", entity_id=found)
    return _json({**_ids(found), "deleted": True})


def _known(given: str) -> FileId:
    found = find_uuid(given)
    if found is None:
        raise NotFoundError("The file does not exist.", param="file_id")
    return FileId(found)


def _ids(file: str) -> dict[str, Any]:
    """Clients know it under either name."""
    return {"file_id": file, "file_uuid": file}


def _shown(file: StoredFile) -> dict[str, Any]:
    return {
        **_ids(file.id),
        "file_name": file.name,
        "status": file.state.value,
        "tokens": file.tokens,
        "bytes": file.bytes,
        "created_at": file.created_at.isoformat(),
    }


def _json(body: dict[str, Any]) -> Response:
    headers = {"cache-control": "private, no-store"}
    return Response(orjson.dumps(body), media_type="application/json", headers=headers)
