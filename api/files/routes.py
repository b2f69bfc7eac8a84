"""`/v1/files/*`: files that chats may ask about (spec, hatz 11, U33): how far they are, listed and deleted."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api.authentication import authenticate
from api.dialect import dialect_route
from api.exchange import exchange_of
from api.files import examples
from api.harness.envelope import HARNESS
from api.openapi import ACCESS_ERRORS, errors
from api.state import gateway_of
from gateway import errors as facts
from gateway.audit import AuditAction, PhiDisposition
from gateway.errors import MissingScopeError, NotFoundError
from gateway.files.file import FileHeldError, StoredFile
from gateway.harness.toolbox import require_allowed
from gateway.harness.tools.knowledge_search import KnowledgeSearch
from gateway.ids import FileId, find_uuid
from gateway.tenancy import Access, KeyMode, Scope

router = APIRouter(route_class=dialect_route(HARNESS), tags=["Files"])


async def _reader(request: Request) -> Access:
    """An agent sees what files are there, and what of patients is in their names, with the grant that reads them."""
    access = await authenticate(request, Scope.AI_CHAT)
    if access.principal.delegation is not None:
        require_allowed(KnowledgeSearch.name, access, "file_id")
    return access


async def _remover(request: Request) -> Access:
    access = await authenticate(request, Scope.AI_CHAT)
    if access.principal.mode is KeyMode.TEST:
        raise MissingScopeError("A test key cannot delete files: chats of live keys read them too.")
    if access.principal.delegation is not None:
        raise MissingScopeError("An agent cannot delete files: they are the organization's.")
    return access


Reader = Annotated[Access, Depends(_reader)]
Remover = Annotated[Access, Depends(_remover)]


@router.get(
    "/v1/files/{file_id}/status",
    summary="How far a file is",
    response_class=Response,
    responses={200: examples.STATUS, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError)},
)
async def get_status(request: Request, access: Reader, file_id: str) -> Response:
    """`processing`, then `ready` or `failed`. Needs the scope `ai:chat`."""
    gateway_of(request).pipeline.require_readable(access.policy)
    async with gateway_of(request).storage.read(access.principal) as tx:
        file = await tx.files.get(known(file_id))
    error = None if file.error is None else {"code": file.error[0], "message": file.error[1]}
    found = {"tokens": file.tokens, "phi_findings": file.phi}
    return json_answer({**ids_of(file.id), "status": file.state.value, **found, "error": error})


@router.get("/v1/files", include_in_schema=False)
@router.get(
    "/v1/files/",
    summary="List the organization's files",
    response_class=Response,
    responses={200: examples.FILES, **errors(HARNESS, *ACCESS_ERRORS)},
)
async def list_files(request: Request, access: Reader) -> Response:
    """Newest first. Names may be of patients, so that being shown them is audited. Needs the scope `ai:chat`."""
    gateway, address = gateway_of(request), exchange_of(request).ip_address
    gateway.pipeline.require_readable(access.policy)
    async with gateway.storage.begin(access.principal, ip_address=address) as tx:
        files = await tx.files.all()
        about = {"files": len(files)}
        phi = PhiDisposition.CONTAINS_PHI if files else PhiDisposition.NOT_PRESENT
        org = access.principal.org
        tx.audit(AuditAction.FILES_LISTED, entity_type="organization", entity_id=org, metadata=about, phi=phi)
    return json_answer({"data": [*map(_shown, files)]})


@router.delete(
    "/v1/files/{file_id}",
    summary="Delete a file (extension)",
    response_class=Response,
    responses={200: examples.DELETED, **errors(HARNESS, *ACCESS_ERRORS, facts.NotFoundError, FileHeldError)},
)
async def delete_file(request: Request, access: Remover, file_id: str) -> Response:
    """With all that was read out of it. Needs the scope `ai:chat`, of a live key."""
    gateway, address = gateway_of(request), exchange_of(request).ip_address
    found = known(file_id)
    async with gateway.storage.begin(access.principal, ip_address=address) as tx:
        await tx.files.remove(found)
        tx.audit(AuditAction.FILE_DELETED, entity_type="file", entity_id=found)
    return json_answer({**ids_of(found), "deleted": True})


def known(given: str) -> FileId:
    found = find_uuid(given)
    if found is None:
        raise NotFoundError("The file does not exist.", param="file_id")
    return FileId(found)


def ids_of(file: str) -> dict[str, Any]:
    """Clients know it under either name."""
    return {"file_id": file, "file_uuid": file}


def _shown(file: StoredFile) -> dict[str, Any]:
    return {
        **ids_of(file.id),
        "file_name": file.name,
        "status": file.state.value,
        "tokens": file.tokens,
        "phi_findings": file.phi,
        "bytes": file.bytes,
        "created_at": file.created_at.isoformat(),
    }


def json_answer(body: dict[str, Any]) -> Response:
    headers = {"cache-control": "private, no-store"}
    return Response(orjson.dumps(body), media_type="application/json", headers=headers)
