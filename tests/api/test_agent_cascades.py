"""Receipts over the API: what a revocation takes along, page by page, for whoever may read it."""

from gateway.ids import CascadeId
from storage.agents import cascading, revocation
from tests.agents import MadeCredential, make_credential
from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant


async def revoked(server: GatewayServer, root: MadeCredential) -> CascadeId:
    async with server.storage.as_operator(server.tenant.org, command="test") as tx:
        return (await revocation.revoke(tx, root.id, reason="leaked")).id


async def test_a_receipt_has_every_credential_once_page_by_page(gateway_server: GatewayServer) -> None:
    storage, org = gateway_server.storage, gateway_server.tenant.org
    root = await make_credential(storage, org)
    below = [await make_credential(storage, org, parent=root) for _ in range(4)]
    cascade = await revoked(gateway_server, root)

    found: list[str] = []
    cursor = ""
    while True:
        answer = (await gateway_server.get(f"/v1/agents/cascades/{cascade}?limit=2{cursor}")).json()
        found += [item["credential_id"] for item in answer["data"]["items"]]
        if not answer["meta"]["has_more"]:
            break
        cursor = f"&cursor={answer['meta']['next_cursor']}"

    assert found == sorted([root.id, *(each.id for each in below)])
    data = answer["data"]
    assert (data["credential_id"], data["agent_id"], data["reason"]) == (root.id, root.agent, "leaked")
    assert (data["state"], data["pending"], data["done"], data["irrevocable"]) == ("running", 5, 0, 0)


async def test_what_is_settled_is_told_with_its_time(gateway_server: GatewayServer) -> None:
    storage, org = gateway_server.storage, gateway_server.tenant.org
    root = await make_credential(storage, org)
    cascade = await revoked(gateway_server, root)
    page = await cascading.next_page(storage.pool, cascade, after="")
    assert page is not None
    marked = await cascading.mark(storage.pool, page, now=storage.clock.now())
    await cascading.settle(storage.pool, cascade, marked, now=storage.clock.now())
    await cascading.finish(storage.pool, cascade, now=storage.clock.now())

    data = (await gateway_server.get(f"/v1/agents/cascades/{cascade}")).json()["data"]

    (item,) = data["items"]
    assert (item["state"], item["depth"]) == ("done", 0)
    assert item["settled_at"] is not None
    assert data["state"] == "done"
    assert data["finished_at"] is not None


async def test_another_organisation_s_receipt_is_not_there(gateway_server: GatewayServer) -> None:
    stranger = await make_tenant(gateway_server.storage)
    cascade = await revoked(gateway_server, await make_credential(gateway_server.storage, gateway_server.tenant.org))

    foreign = await gateway_server.get(f"/v1/agents/cascades/{cascade}", key=stranger.token)
    nonsense = await gateway_server.get("/v1/agents/cascades/nonsense")

    assert (foreign.status, nonsense.status) == (404, 404)
