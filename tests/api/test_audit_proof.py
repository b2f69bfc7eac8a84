"""What proves the audit log, over real HTTP: entries, verdicts, exports, published keys."""

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from gateway.audit.export_format import read_keys
from gateway.audit.exports import MOST_KEPT
from gateway.audit.verifying import verify_export
from gateway.clock import SystemClock
from gateway.ids import OrganizationId
from storage import Storage, audit_checkpoints
from storage.audit_exports import ExportWriting
from storage.audit_keys import signing_key
from storage.onboarding import terminate_agreement
from storage.sequencer import Sequencer
from tests.gateway_server import GatewayServer, Json
from tests.tenants import Tenant, make_tenant

RANGE = {"from": "2020-01-01T00:00:00Z", "to": "2099-01-01T00:00:00Z"}


async def seal(storage: Storage) -> None:
    while await Sequencer(storage.pool, SystemClock(), signing_key(storage.keyring.audit)).seal():
        pass


async def checkpoint(storage: Storage, org: OrganizationId) -> None:
    await audit_checkpoints.advance(storage.pool, org, signing_key(storage.keyring.audit), SystemClock())


async def used_tenant(server: GatewayServer) -> Tenant:
    tenant = await make_tenant(server.storage)
    for _ in range(3):
        await server.post("/v1/ai/chat", {"message": "Hi", "stream": False}, key=tenant.token)
    await seal(server.storage)
    return tenant


async def exported(server: GatewayServer, tenant: Tenant) -> Json:
    """A ready export."""
    asked = await server.post("/v1/audit/exports", RANGE, key=tenant.token)
    assert asked.status == 202, asked.body
    export = asked.json()["data"]
    storage = server.storage
    await seal(storage)
    writing = ExportWriting(
        storage.pool, storage.cipher, SystemClock(), signing_key(storage.keyring.audit), "https://gateway.example"
    )
    await writing.write(tenant.org, export["id"], goes_on=lambda: True)
    return (await server.get(f"/v1/audit/exports/{export['id']}", key=tenant.token)).json()["data"]


async def actions(server: GatewayServer, tenant: Tenant) -> list[str]:
    entries = (await server.get("/v1/audit?entity_type=audit_export", key=tenant.token)).json()["data"]
    return [entry["action"] for entry in entries]


async def test_an_entry_is_read_with_its_place_and_signature(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)
    newest = (await gateway_server.get("/v1/audit?limit=1", key=tenant.token)).json()["data"][0]

    entry = (await gateway_server.get(f"/v1/audit/{newest['id']}", key=tenant.token)).json()["data"]

    assert entry == newest
    assert entry["seq"] == 4
    assert entry["signature"].startswith("ed25519:")


@pytest.mark.parametrize("path", ["/v1/audit/{}", "/v1/audit/exports/{}", "/v1/audit/exports/{}/download"])
async def test_what_is_another_organisations_is_not_found(gateway_server: GatewayServer, path: str) -> None:
    tenant, stranger = await used_tenant(gateway_server), await make_tenant(gateway_server.storage)
    entry = (await gateway_server.get("/v1/audit?limit=1", key=tenant.token)).json()["data"][0]
    owned = (await exported(gateway_server, tenant))["id"] if "exports" in path else entry["id"]

    assert (await gateway_server.get(path.format(owned), key=tenant.token)).status == 200
    for asked in (owned, "01K0B6W4M7RT2V9YQ3X5ZC8D1E", "Zachary"):
        reply = await gateway_server.get(path.format(asked), key=stranger.token)
        assert (reply.status, reply.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


async def test_a_sound_chain_is_verified_from_its_last_checkpoint_or_from_the_start(
    gateway_server: GatewayServer,
) -> None:
    tenant = await used_tenant(gateway_server)
    await checkpoint(gateway_server.storage, tenant.org)
    await gateway_server.post("/v1/ai/chat", {"message": "Hi", "stream": False}, key=tenant.token)
    await seal(gateway_server.storage)

    lately = (await gateway_server.get("/v1/audit/verify", key=tenant.token)).json()["data"]
    wholly = (await gateway_server.get("/v1/audit/verify?after=0", key=tenant.token)).json()["data"]

    assert (lately["sound"], lately["verified_after"], lately["verified_to"], lately["next_after"]) == (
        True,
        4,
        5,
        None,
    )
    assert (wholly["sound"], wholly["verified_after"], wholly["verified_to"]) == (True, 0, 5)
    assert lately["head"] == wholly["head"]
    assert (lately["checkpoint"]["seq"], lately["checkpoint"]["time_stamped_at"]) == (4, None)


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=999999", "after=99999999999999999999", "before=1"])
async def test_a_place_that_is_none_is_refused(gateway_server: GatewayServer, query: str) -> None:
    tenant = await used_tenant(gateway_server)

    reply = await gateway_server.get(f"/v1/audit/verify?{query}", key=tenant.token)

    assert reply.status == 422


async def test_an_export_verifies_with_nothing_but_the_published_keys(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)
    await checkpoint(gateway_server.storage, tenant.org)
    export = await exported(gateway_server, tenant)

    download = await gateway_server.get(export["download_url"], key=tenant.token)
    keys = await gateway_server.get(f"/trust/keys/{tenant.org}", key=None)

    verdict = verify_export(io.BytesIO(download.body), keys=read_keys(keys.json()), authorities=None)
    assert (verdict.flaw, download.json()["export"]["entry_count"]) == (None, 5)
    assert download.headers["content-disposition"] == f'attachment; filename="audit-{export["id"]}.json"'
    assert download.headers["etag"] == f'"{export["sha256"]}"'
    assert await actions(gateway_server, tenant) == ["audit.export.downloaded", "audit.export.request"]


async def test_an_export_comes_as_a_table(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)
    export = await exported(gateway_server, tenant)

    download = await gateway_server.get(export["download_url"], key=tenant.token, headers={"accept": "text/csv"})

    rows = list(csv.DictReader(io.StringIO(download.body.decode())))
    assert download.headers["content-type"].startswith("text/csv")
    assert [row["seq"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["action"] for row in rows][-1] == "audit.export.request"
    assert "_chain" not in orjson.loads(rows[0]["metadata"])


async def test_an_export_that_is_not_written_yet_cannot_be_downloaded(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)
    asked = (await gateway_server.post("/v1/audit/exports", RANGE, key=tenant.token)).json()["data"]

    reply = await gateway_server.get(f"/v1/audit/exports/{asked['id']}/download", key=tenant.token)

    assert (asked["state"], asked["download_url"]) == ("requested", None)
    assert (reply.status, reply.json()["error"]["code"]) == (409, "EXPORT_NOT_READY")


async def test_an_export_asked_for_twice_under_one_key_is_one(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)
    once = {"idempotency-key": "monthly"}

    first = await gateway_server.post("/v1/audit/exports", RANGE, key=tenant.token, headers=once)
    again = await gateway_server.post("/v1/audit/exports", RANGE, key=tenant.token, headers=once)

    assert first.json() == again.json()
    assert await actions(gateway_server, tenant) == ["audit.export.request"]


async def test_an_organisation_has_so_many_exports_at_most(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)
    replies = [await gateway_server.post("/v1/audit/exports", RANGE, key=tenant.token) for _ in range(MOST_KEPT + 1)]

    assert [reply.status for reply in replies] == [202] * MOST_KEPT + [409]
    assert replies[-1].json()["error"]["code"] == "TOO_MANY_EXPORTS"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"from": RANGE["from"]}, "to"),
        ({"to": RANGE["to"]}, "from"),
        ({"from": RANGE["to"], "to": RANGE["from"]}, "to"),
        ({"from": "Zachary Quillfeather", "to": RANGE["to"]}, "from"),
        ({"from": 0, "to": RANGE["to"]}, "from"),
        ({"from": "2026-01-01T00:00:00", "to": RANGE["to"]}, "from"),
        ({"from": RANGE["from"], "to": "9999-12-31T23:59:59-00:01"}, "to"),
        ({"from": "0001-01-01T00:00:00+00:01", "to": RANGE["to"]}, "from"),
        ({**RANGE, "Zachary Quillfeather": 1}, None),
        (b"[]", None),
    ],
)
async def test_a_bad_range_is_422_naming_the_field(
    gateway_server: GatewayServer, body: object, param: str | None
) -> None:
    reply = await gateway_server.post("/v1/audit/exports", body)

    assert (reply.status, reply.json()["error"].get("param")) == (422, param)
    assert b"Quillfeather" not in reply.body


@pytest.mark.parametrize("grace_days", [30, 0])
async def test_exports_end_with_an_agreements_grace_and_reading_does_not(
    gateway_server: GatewayServer, grace_days: int
) -> None:
    tenant = await used_tenant(gateway_server)
    export = await exported(gateway_server, tenant)
    await terminate_agreement(gateway_server.storage, tenant.org, notice=timedelta(), grace_days=grace_days)
    async with asyncio.timeout(5):
        while (await gateway_server.post("/v1/ai/chat", {"message": "Hi"}, key=tenant.token)).status != 402:
            pass

    asked = await gateway_server.post("/v1/audit/exports", RANGE, key=tenant.token)
    taken = await gateway_server.get(export["download_url"], key=tenant.token)
    read = await gateway_server.get("/v1/audit", key=tenant.token)
    known = await gateway_server.get(f"/v1/audit/exports/{export['id']}", key=tenant.token)

    assert [asked.status, taken.status] == ([202, 200] if grace_days else [402, 402])
    assert [read.status, known.status] == [200, 200]


async def test_who_never_agreed_exports_nothing_and_learns_where_to_sign(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, agreement=False)

    reply = await gateway_server.post("/v1/audit/exports", RANGE, key=tenant.token)

    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (402, "BAA_REQUIRED")
    assert error["details"]["baa_url"] == "http://gateway.example/v1/compliance/baa"


async def test_the_keys_are_everybodys(gateway_server: GatewayServer) -> None:
    tenant = await used_tenant(gateway_server)

    discovery = await gateway_server.get("/.well-known/audit-keys.json", key=None)
    keys = await gateway_server.get(f"/trust/keys/{tenant.org}", key=None)

    template = discovery.json()["keys_url_template"]
    assert (discovery.json()["algo"], template) == ("ed25519", "http://gateway.example/trust/keys/{tenant_id}")
    assert (keys.json()["tenant_id"], keys.headers["cache-control"]) == (tenant.org, "public, max-age=60")
    (key,) = keys.json()["keys"]
    assert (key["status"], key["retired_at"], key["revoked_at"]) == ("active", None, None)
    assert datetime.now(UTC) - datetime.fromisoformat(key["published_at"]) < timedelta(hours=1)
    assert (await gateway_server.get("/trust/keys/Zachary", key=None)).status == 404
