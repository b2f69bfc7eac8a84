"""What is refused of files, provoked over HTTP: one audit entry says who asked what, and which gate refused it."""

from typing import Any

import pytest

from gateway.audit.compliance import Gate
from gateway.files.file import MOST_BYTES, MOST_FILES
from gateway.tenancy import Scope, StorageMode
from storage.pool import fetch
from tests.api.files import UPLOAD, send, upload, uploaded
from tests.api.test_every_verdict import CANARY, SAID, Controlled, Server, verdict
from tests.gateway_server import GatewayServer, Reply
from tests.tenants import HAIKU, make_tenant

CHAT = "/v1/chat/completions"


async def _upload(to: Server, name: str = "a.txt") -> Reply:
    return await upload(to.http, to.tenant, name, CANARY.encode(), SAID)


async def _one_file_too_many(to: Server) -> Reply:
    await fetch(
        to.http.storage.pool,
        "insert into files (id, org_id, day, name, bytes, search_key, created_at)"
        " select %(org)s || n, %(org)s, now(), '', 1, '', now() from generate_series(1, %(most)s) n returning 1",
        {"org": to.tenant.org, "most": MOST_FILES},
    )
    return await _upload(to)


async def _asked_too_early(to: Server) -> Reply:
    file = await uploaded(to.http, to.tenant, "a.txt", CANARY.encode())
    body = {"model": HAIKU.id, "messages": [{"role": "user", "content": CANARY}], "file_uuids": [file]}
    return await to.http.post(CHAT, body, key=None, headers={**SAID, "x-api-key": to.tenant.token})


async def _uploaded_again(to: Server) -> Reply:
    announced = {"file_name": "a.txt", "file_size": len(CANARY)}
    told = (await send(to.http, to.tenant, "POST", "/v1/files/upload-url", announced)).json()
    path = told["upload_url"].removeprefix("http://gateway.example")
    return [await to.http.request("PUT", path, CANARY.encode(), key=None, headers=SAID) for _ in range(2)][1]


async def _one_byte_too_many(to: Server) -> Reply:
    await fetch(
        to.http.storage.pool,
        "insert into files (id, org_id, day, name, bytes, search_key, created_at)"
        " values (%(org)s, %(org)s, now(), '', %(most)s, '', now()) returning 1",
        {"org": to.tenant.org, "most": MOST_BYTES - len(CANARY) + 1},
    )
    return await _upload(to)


async def _deleted(to: Server) -> Reply:
    file = await uploaded(to.http, to.tenant, "a.txt", CANARY.encode())
    path = f"/v1/files/{file}"
    return await to.http.request("DELETE", path, key=None, headers={**SAID, "x-api-key": to.tenant.token})


CONTROLLED = {
    "FILE_TYPE_NOT_SUPPORTED": Controlled(Gate.REQUEST, UPLOAD, lambda to: _upload(to, f"{CANARY}.exe")),
    "FILE_NOT_STORABLE": Controlled(Gate.STATE, UPLOAD, _upload, {"storage_mode": StorageMode.NONE}),
    "FILE_STORAGE_FULL": Controlled(Gate.STATE, UPLOAD, _one_byte_too_many),
    "FILE_HELD": Controlled(Gate.STATE, "/v1/files/{file_id}", _deleted, {"legal_hold": True}),
    "FILE_ALREADY_UPLOADED": Controlled(Gate.STATE, "/v1/files/{file_id}/content", _uploaded_again),
    "FILE_NOT_READY": Controlled(Gate.STATE, CHAT, _asked_too_early),
    "TOO_MANY_FILES": Controlled(Gate.STATE, UPLOAD, _one_file_too_many),
}


@pytest.mark.parametrize("code", CONTROLLED)
async def test_what_is_refused_of_files_has_one_entry(gateway_server: GatewayServer, code: str) -> None:
    controlled = CONTROLLED[code]
    tenant: dict[str, Any] = {"scopes": (Scope.AI_CHAT,), **controlled.tenant}
    server = Server(gateway_server, await make_tenant(gateway_server.storage, **tenant))

    reply = await controlled.provoke(server)

    entry = await verdict(server, reply, code)
    assert (entry.metadata["route"], entry.metadata["gate"]) == (controlled.route, controlled.gate)
