"""`/v1/files/*` over real HTTP: uploaded, read, asked about, and gone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.file_processing import FileProcessingActivities, UploadedFile
from gateway.agents.grants import ExternalToolInvoke
from gateway.errors import UnavailableError
from gateway.files.file import MOST_BYTES
from gateway.harness.tool import ToolFailedError, ToolUseContext
from gateway.harness.tools.knowledge_search import KnowledgeSearch
from gateway.harness.tools.terms import Terms
from gateway.ids import FileId, InferenceId, new_ulid, new_uuid
from gateway.phi.guard import Guard
from gateway.tenancy import KeyMode, Scope
from storage.files.search import FileSearching
from storage.pool import fetch
from tests.agents import make_credential
from tests.api.files import HEADERS, UPLOAD, form, read, send, upload, uploaded
from tests.gateway_server import GatewayServer, Reply
from tests.storage.past import purged, retaining
from tests.tenants import HAIKU, Tenant, make_tenant

HANDBOOK = b"Night shifts begin at ten.\n\nAlice Rivera, SSN 536-90-4399, takes aspirin.\n\nVisitors leave at eight."


async def ready(server: GatewayServer, tenant: Tenant, content: bytes = HANDBOOK, name: str = "book.txt") -> str:
    file = await uploaded(server, tenant, name, content)
    await read(server, tenant, file)
    return file


async def found(server: GatewayServer, tenant: Tenant, query: str, *files: str) -> str:
    tool = KnowledgeSearch(FileSearching(server.storage.pool, server.storage.cipher), Terms(0, 5))
    access = await server.storage.access.resolve(tenant.token)
    context = ToolUseContext(access, InferenceId(new_ulid()), files=tuple(map(FileId, files)))
    return (await tool.run({"query": query}, context)).text


async def test_a_file_is_processing_until_it_is_read(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await uploaded(gateway_server, tenant, "book.txt", HANDBOOK)
    before = (await send(gateway_server, tenant, "GET", f"/v1/files/{file}/status")).json()
    await asyncio.gather(*(read(gateway_server, tenant, file) for _ in range(2)))
    after = (await send(gateway_server, tenant, "GET", f"/v1/files/{file}/status")).json()

    assert (before["file_id"], before["file_uuid"], before["status"]) == (file, file, "processing")
    assert (before["phi_findings"], after["phi_findings"]) == (None, {"PERSON": 1, "US_SSN": 1})
    assert (after["status"], after["error"]) == ("ready", None)
    assert after["tokens"] > 10
    (listed,) = (await send(gateway_server, tenant, "GET", "/v1/files/")).json()["data"]
    assert (listed["file_uuid"], listed["file_name"], listed["bytes"]) == (file, "book.txt", len(HANDBOOK))


async def test_an_upload_is_answered_as_clients_know_it(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    told = (await upload(gateway_server, tenant, "book.txt", HANDBOOK)).json()

    assert (told["file_id"], told["status"]) == (told["file_uuid"], "uploading")


@pytest.mark.parametrize(("flag", "is_kept"), [(b"true", False), (b"1", False), (b"false", True)])
async def test_the_tokens_of_a_file_can_be_asked_for_without_keeping_it(
    gateway_server: GatewayServer, flag: bytes, *, is_kept: bool
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    told = (await _counted(gateway_server, tenant, flag, "book.txt", HANDBOOK)).json()
    kept = (await send(gateway_server, tenant, "GET", "/v1/files/")).json()["data"]

    assert (len(kept), told["file_uuid"] is not None) == (is_kept, is_kept)
    assert is_kept or told["tokens"] == len(HANDBOOK) // 4


@pytest.mark.parametrize(
    ("flag", "name", "content", "param"),
    [
        (b"perhaps", "book.txt", HANDBOOK, "only_calculate_tokens"),
        (b"\xff", "book.txt", HANDBOOK, "only_calculate_tokens"),
        (b"true", "book.pdf", HANDBOOK, "file"),
        (b"true", "book.txt", b" ", "file"),
    ],
)
async def test_what_cannot_be_counted_is_told_by_its_field(
    gateway_server: GatewayServer, flag: bytes, name: str, content: bytes, param: str
) -> None:
    reply = await _counted(gateway_server, gateway_server.tenant, flag, name, content)

    assert (reply.status, reply.json()["error"]["param"]) == (422, param)


async def _counted(server: GatewayServer, tenant: Tenant, flag: bytes, name: str, content: bytes) -> Reply:
    body = form(name, content).replace(b'name="scope_type"\r\n\r\nchat', b'name="only_calculate_tokens"\r\n\r\n' + flag)
    return await server.request("POST", UPLOAD, body, key=None, headers={**HEADERS, "x-api-key": tenant.token})


async def test_files_are_listed_without_a_slash_too(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await uploaded(gateway_server, tenant, "book.txt", HANDBOOK)

    (listed,) = (await send(gateway_server, tenant, "GET", "/v1/files")).json()["data"]
    assert listed["file_uuid"] == file


async def test_uploads_at_once_do_not_pass_what_an_organisation_may_keep(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    left = len(HANDBOOK) * 2 + 1
    await fetch(
        gateway_server.storage.pool,
        "insert into files (id, org_id, day, name, bytes, search_key, created_at)"
        " values (%(org)s, %(org)s, now(), '', %(kept)s, '', now()) returning 1",
        {"org": tenant.org, "kept": MOST_BYTES - left},
    )
    announced = {"file_name": "book.txt", "file_size": len(HANDBOOK)}
    replies = await asyncio.gather(
        *(upload(gateway_server, tenant, "book.txt", HANDBOOK) for _ in range(4)),
        *(send(gateway_server, tenant, "POST", "/v1/files/upload-url", announced) for _ in range(4)),
    )

    assert sorted(reply.status for reply in replies) == [200] * 2 + [409] * 6
    refused = {reply.json()["error"]["code"] for reply in replies if reply.status == 409}
    assert refused == {"FILE_STORAGE_FULL"}


async def test_what_an_organisation_never_sends_is_found_in_its_files(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_deny_terms=("night",))
    file = await ready(gateway_server, tenant)

    told = (await send(gateway_server, tenant, "GET", f"/v1/files/{file}/status")).json()
    assert told["phi_findings"]["CUSTOM_TERM"] == 1


async def test_a_file_is_not_ready_while_nobody_can_scan_it(gateway_server: GatewayServer) -> None:
    async def away() -> Guard:
        raise UnavailableError

    tenant = await make_tenant(gateway_server.storage)
    file = await uploaded(gateway_server, tenant, "book.txt", HANDBOOK)
    reading = FileProcessingActivities(gateway_server.storage, away)
    with pytest.raises(ApplicationError):
        await ActivityEnvironment().run(reading.process, UploadedFile(tenant.org, file))
    before = (await send(gateway_server, tenant, "GET", f"/v1/files/{file}/status")).json()["status"]
    await read(gateway_server, tenant, file)

    after = (await send(gateway_server, tenant, "GET", f"/v1/files/{file}/status")).json()["status"]
    assert (before, after) == ("processing", "ready")


async def test_a_file_that_cannot_be_read_says_why_and_is_not_kept(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await ready(gateway_server, tenant, b"no archive", "a.docx")

    told = (await send(gateway_server, tenant, "GET", f"/v1/files/{file}/status")).json()
    assert (told["status"], told["error"]["code"]) == ("failed", "FILE_UNREADABLE")
    assert await fetch(gateway_server.storage.pool, "select content from files where id = %s", [file]) == [(None,)]


async def test_nothing_of_a_file_stands_in_the_database_as_it_is(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await ready(gateway_server, tenant, name="Rivera.txt")

    rows = await fetch(
        gateway_server.storage.pool,
        "select encode(convert_to(row(f.*, c.*)::text, 'UTF8'), 'escape') from files f"
        " join file_chunks c on c.file_id = f.id where f.id = %s",
        [file],
    )
    plain = "".join(row[0] for row in rows).lower()
    assert rows
    for word in ("rivera", "night", "aspirin", "536-90"):
        assert word not in plain
        assert word.encode().hex() not in plain


async def test_the_best_passages_of_the_files_that_were_given_are_found(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    long = b"\n\n".join(b"Paragraph %d: " % each + b"word " * 200 for each in range(8)) + b"\n\nHandover is at dawn."
    book, other = await ready(gateway_server, tenant), await ready(gateway_server, tenant, long, "other.md")

    assert "Night shifts begin" in await found(gateway_server, tenant, "when does the NIGHT shift begin?", book, other)
    assert (await found(gateway_server, tenant, "handovers", book, other)).endswith("Handover is at dawn.")
    assert "Nothing" in await found(gateway_server, tenant, "handovers", book)
    assert "Nothing" in await found(gateway_server, tenant, "' | !:* <->", book)


async def test_nobody_finds_anything_in_files_of_others(gateway_server: GatewayServer) -> None:
    tenant, other = await make_tenant(gateway_server.storage), await make_tenant(gateway_server.storage)
    file = await ready(gateway_server, tenant)

    assert "Nothing" in await found(gateway_server, other, "night shifts", file)
    for method, path in (("GET", f"/v1/files/{file}/status"), ("DELETE", f"/v1/files/{file}")):
        assert (await send(gateway_server, other, method, path)).status == 404
    assert (await send(gateway_server, other, "GET", "/v1/files/")).json() == {"data": []}
    chat = {"model": HAIKU.id, "messages": [{"role": "user", "content": "Hi"}], "file_uuids": [file]}
    assert (await send(gateway_server, other, "POST", "/v1/chat/completions", chat)).status == 404


async def test_a_chat_without_files_finds_none(gateway_server: GatewayServer) -> None:
    with pytest.raises(ToolFailedError):
        await found(gateway_server, await make_tenant(gateway_server.storage), "night")


async def test_a_model_is_told_of_a_file_without_its_identifiers(gateway_server: GatewayServer) -> None:
    tenant, heard = await make_tenant(gateway_server.storage), gateway_server.sandbox
    file = await ready(gateway_server, tenant)
    asked = f"[[sandbox: tool=knowledge_search; words=aspirin]] Of {file}"
    chat = {
        "model": HAIKU.id,
        "messages": [{"role": "user", "content": asked}],
        "file_uuids": [file.upper()],
        "tools_to_use": ["knowledge_search"],
    }
    reply = await send(gateway_server, tenant, "POST", "/v1/chat/completions", chat)

    assert reply.status == 200, reply.body
    assert [use["status"] for use in reply.json()["meta"]["tools"]] == ["completed"]
    sent = [str(each["body"]) for each in heard.requests() if file in str(each["body"])]
    assert "takes aspirin" in sent[-1]
    assert not any("536-90-4399" in each or "Rivera" in each for each in sent)


async def test_a_deleted_file_is_gone_with_what_was_read_out_of_it(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await ready(gateway_server, tenant)
    deleted = await send(gateway_server, tenant, "DELETE", f"/v1/files/{file}")
    await read(gateway_server, tenant, file)

    assert deleted.json() == {"file_id": file, "file_uuid": file, "deleted": True}
    left = "select (select count(*) from files where id = %(id)s), count(*) from file_chunks where file_id = %(id)s"
    assert await fetch(gateway_server.storage.pool, left, {"id": file}) == [(0, 0)]


async def test_a_purge_takes_files_of_its_days(gateway_server: GatewayServer) -> None:
    tenant = await retaining(gateway_server.storage, 30)
    old, new = await ready(gateway_server, tenant), await ready(gateway_server, tenant)
    past = datetime.now(UTC) - timedelta(days=40)
    await fetch(gateway_server.storage.pool, "update files set day = %s where id = %s", [past.date(), old])
    await fetch(
        gateway_server.storage.pool,
        "insert into content_keys (org_id, day, wrapped, root_key, created_at)"
        " select org_id, %s, wrapped, root_key, %s from content_keys where org_id = %s",
        [past.date(), past, tenant.org],
    )

    steps = await purged(gateway_server.storage, tenant, datetime.now(UTC))

    kept = await fetch(gateway_server.storage.pool, "select id from files where org_id = %s", [tenant.org])
    assert kept == [(new,)]
    assert sum(step.files for step in steps) == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "multipart/form-data"}, form("a.txt", b"a")),
        (HEADERS, b""),
        (HEADERS, form("a.txt", b"a")[:-10]),
        (HEADERS, form("a.txt", b"a", field="other")),
        (HEADERS, form("", b"a")),
        (HEADERS, form("a" * 300 + ".txt", b"a")),
        (HEADERS, form("a\0.txt", b"a")),
        (HEADERS, form("a\nb.txt", b"a")),
        (HEADERS, form("a\u2028b.txt", b"a")),
        (HEADERS, form("a.txt", b"a").replace(b'filename="a.txt"', b"filename*=unicode_escape''%5Cud800.txt")),
        (HEADERS, form("a.txt", b"a").replace(b"form-data", b"inline")),
        (HEADERS, form("a.txt", b"a").replace(b"\r\n\r\n", b"\r\n")),
    ],
)
async def test_what_is_no_upload_is_refused_by_its_field(
    gateway_server: GatewayServer, headers: dict[str, str], body: bytes
) -> None:
    tenant = gateway_server.tenant
    reply = await gateway_server.request("POST", UPLOAD, body, key=None, headers={"x-api-key": tenant.token, **headers})
    assert (reply.status, reply.json()["error"]["param"]) == (422, "file")


async def test_bytes_of_a_file_come_as_they_were_sent(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage)
    content = "\r\n--\r\n a\r\nb\n\r\n".encode("utf-16")
    file = await uploaded(gateway_server, tenant, "..\\C:\\Möwe.txt", content)

    (listed,) = (await send(gateway_server, tenant, "GET", "/v1/files/")).json()["data"]
    assert (listed["file_name"], listed["bytes"], listed["file_id"]) == ("Möwe.txt", len(content), file)


async def test_files_need_the_scope_of_chats(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=(Scope.CONTROL_READ,))
    for method, path in (("GET", "/v1/files/"), ("DELETE", f"/v1/files/{new_uuid()}"), ("POST", UPLOAD)):
        assert (await send(gateway_server, tenant, method, path)).status == 403


@pytest.mark.parametrize(("tool", "sees"), [("find_slot", 403), ("knowledge_search", 200)])
async def test_an_agent_sees_files_with_the_grant_that_reads_them_and_deletes_none(
    gateway_server: GatewayServer, tool: str, sees: int
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await ready(gateway_server, tenant, name="Rivera.txt")
    agent = await make_credential(gateway_server.storage, tenant.org, grants=(ExternalToolInvoke(tool),))

    async def asked(method: str, path: str) -> int:
        headers = {"x-api-key": agent.token}
        return (await gateway_server.request(method, path, None, key=None, headers=headers)).status

    assert [await asked("GET", path) for path in ("/v1/files/", f"/v1/files/{file}/status")] == [sees, sees]
    assert await asked("DELETE", f"/v1/files/{file}") == 403


async def test_a_test_key_deletes_no_file(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, mode=KeyMode.TEST)
    file = await uploaded(gateway_server, tenant, "book.txt", HANDBOOK)

    assert (await send(gateway_server, tenant, "DELETE", f"/v1/files/{file}")).status == 403
