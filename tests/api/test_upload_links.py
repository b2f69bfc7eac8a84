"""`/v1/files/upload-url` over real HTTP: announced, put to a link without a key, once, as who asked for it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.files.file import LARGEST_FILE
from gateway.files.upload_links import make_link
from gateway.ids import PLATFORM, FileId
from gateway.tenancy import Caller, Scope
from storage.pool import fetch
from tests.api.files import read, send
from tests.api.test_refusals import entries_of
from tests.gateway_server import GatewayServer, Json, Reply
from tests.tenants import Tenant, make_tenant

URL = "/v1/files/upload-url"
BOOK = b"Night shifts begin at ten."
ANNOUNCED = {"file_name": "book.txt", "file_size": len(BOOK), "mime_type": "text/plain", "scope_type": "chat"}


async def announced(server: GatewayServer, tenant: Tenant, **changed: object) -> Json:
    reply = await send(server, tenant, "POST", URL, ANNOUNCED | changed)
    assert reply.status == 200, reply.body
    return reply.json()


async def put(server: GatewayServer, link: str, content: bytes = BOOK, headers: dict[str, str] | None = None) -> Reply:
    path = link.removeprefix("http://gateway.example")
    sent = {"content-type": "text/plain", **(headers or {})}
    return await server.request("PUT", path, content, key=None, headers=sent)


async def status(server: GatewayServer, tenant: Tenant, file: str) -> str:
    return (await send(server, tenant, "GET", f"/v1/files/{file}/status")).json()["status"]


async def test_an_announced_file_is_uploaded_to_its_link_and_read(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    told = await announced(gateway_server, tenant)
    file = told["file_id"]
    before = await status(gateway_server, tenant, file)
    answer = (await put(gateway_server, told["upload_url"], headers=told["headers"])).json()
    between = await status(gateway_server, tenant, file)
    await read(gateway_server, tenant, file)

    assert (told["file_uuid"], told["method"], told["status"]) == (file, "PUT", "uploading")
    assert told["headers"] == {"content-type": "text/plain"}
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=13) < left <= timedelta(minutes=15)
    assert (answer["file_id"], answer["status"]) == (file, "processing")
    assert [before, between, await status(gateway_server, tenant, file)] == ["uploading", "processing", "ready"]
    query = "select type from outbox where org_id = %s and data->>'file_id' = %s"
    assert await fetch(gateway_server.storage.pool, query, [tenant.org, file]) == [("file.uploaded",)]


async def test_bytes_come_once_however_many_put_them(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    told = await announced(gateway_server, tenant)
    replies = await asyncio.gather(*(put(gateway_server, told["upload_url"]) for _ in range(5)))

    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409, 409]
    codes = {reply.json()["error"]["code"] for reply in replies if reply.status == 409}
    assert codes == {"FILE_ALREADY_UPLOADED"}


async def test_a_file_of_another_size_than_was_announced_is_not_taken(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    told = await announced(gateway_server, tenant)
    for content in (BOOK + b"!", BOOK[:-1], b""):
        reply = await put(gateway_server, told["upload_url"], content)
        assert (reply.status, reply.json()["error"]["param"]) == (422, "file_size")

    assert (await put(gateway_server, told["upload_url"])).status == 200


async def test_a_link_is_of_one_file_and_uploader_and_does_not_last(gateway_server: GatewayServer) -> None:
    tenant, other = await make_tenant(gateway_server.storage), await make_tenant(gateway_server.storage)
    file, elsewhere = [FileId((await announced(gateway_server, each))["file_id"]) for each in (tenant, other)]
    secret, now = gateway_server.storage.keyring.links, datetime.now(UTC)
    later = now + timedelta(minutes=5)

    async def caller(of: Tenant) -> Caller:
        return Caller.of((await gateway_server.storage.access.resolve(of.token)).principal)

    own = make_link(secret, file, await caller(tenant), expires_at=later)
    forged = [
        make_link(secret, elsewhere, await caller(other), expires_at=later),
        make_link(secret, file, await caller(tenant), expires_at=now - timedelta(seconds=1)),
        make_link(b"of somebody else", file, await caller(tenant), expires_at=later),
        own.replace(tenant.org, other.org),
        own[:-1],
        "..",
        "",
    ]
    for token in forged:
        reply = await put(gateway_server, f"/v1/files/{file}/content?token={token}")
        assert (reply.status, reply.json()["error"]["code"]) == (403, "UPLOAD_LINK_INVALID"), token
        [entry] = await entries_of(gateway_server, PLATFORM, reply)
        assert entry.metadata["error_code"] == "UPLOAD_LINK_INVALID"
    stolen = make_link(secret, file, await caller(other), expires_at=later)
    assert (await put(gateway_server, f"/v1/files/{file}/content?token={stolen}")).status == 404
    assert (await put(gateway_server, f"/v1/files/{file}/content?token={own}")).status == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update api_keys set revoked_at = now() where id = %(key)s", (401, "INVALID_API_KEY")),
        ("update api_keys set scopes = '{control:read}' where id = %(key)s", (403, "MISSING_SCOPE")),
        ("update api_keys set networks = '{192.0.2.0/24}' where id = %(key)s", (403, "IP_NOT_ALLOWED")),
        ("update organizations set storage_mode = 'none' where id = %(org)s", (409, "FILE_NOT_STORABLE")),
        (
            "update baa_acceptances set ends_at = now(), ends_as = 'terminated' where org_id = %(org)s",
            (402, "BAA_REQUIRED"),
        ),
    ],
)
async def test_a_link_lets_do_what_its_uploader_may_still_do(
    gateway_server: GatewayServer, change: str, expected: tuple[int, str]
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    told = await announced(gateway_server, tenant)
    await fetch(gateway_server.storage.pool, change + " returning 1", {"key": tenant.key.id, "org": tenant.org})  # pyright: ignore[reportArgumentType]

    reply = await put(gateway_server, told["upload_url"])

    assert (reply.status, reply.json()["error"]["code"]) == expected
    assert await fetch(
        gateway_server.storage.pool, "select state, content from files where id = %s", [told["file_id"]]
    ) == [("uploading", None)]


async def test_a_chat_about_a_file_that_has_not_come_is_refused(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = (await announced(gateway_server, tenant))["file_id"]
    chat = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hi"}], "file_uuids": [file]}

    reply = await send(gateway_server, tenant, "POST", "/v1/chat/completions", chat)

    assert (reply.status, reply.json()["error"]["code"]) == (409, "FILE_NOT_READY")


async def test_an_announced_file_that_never_comes_gives_up_its_place_after_a_day(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    old, new = [(await announced(gateway_server, tenant))["file_id"] for _ in range(2)]
    aged = "update files set created_at = created_at - interval '25 hours' where id = %s"
    await fetch(gateway_server.storage.pool, aged + " returning 1", [old])
    newest = (await announced(gateway_server, tenant))["file_id"]

    kept = (await send(gateway_server, tenant, "GET", "/v1/files/")).json()["data"]
    assert [each["file_id"] for each in kept] == sorted([new, newest], reverse=True)


@pytest.mark.parametrize(
    ("changed", "status", "param"),
    [
        ({"file_name": ""}, 422, "file_name"),
        ({"file_name": "a/"}, 422, "file_name"),
        ({"file_name": 7}, 422, "file_name"),
        ({"file_name": "a\nb.txt"}, 422, "file_name"),
        ({"file_name": "a.exe"}, 400, "file_name"),
        ({"file_size": 0}, 422, "file_size"),
        ({"file_size": "12"}, 422, "file_size"),
        ({"file_size": LARGEST_FILE + 1}, 413, None),
        ({"mime_type": "text/plain\r\nx: y"}, 422, "mime_type"),
    ],
)
async def test_what_cannot_be_announced_is_refused_by_its_field(
    gateway_server: GatewayServer, changed: dict[str, object], status: int, param: str | None
) -> None:
    reply = await send(gateway_server, gateway_server.tenant, "POST", URL, ANNOUNCED | changed)
    assert (reply.status, reply.json()["error"].get("param")) == (status, param)


async def test_announcing_needs_the_scope_of_chats(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.CONTROL_READ,))
    assert (await send(gateway_server, tenant, "POST", URL, ANNOUNCED)).status == 403
