"""The agreement over real HTTP: read it, accept it, and what stands in the way."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from gateway.audit import AuditAction
from gateway.baa.template import current_template, templates
from gateway.ids import AcceptanceId, new_ulid
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Scope
from storage import Storage, agreements
from storage.onboarding import terminate_agreement
from tests.gateway_server import GatewayServer, Reply, serve
from tests.tenants import Tenant, make_tenant

BAA = "/v1/compliance/baa"
ACCEPTANCES = f"{BAA}/acceptances"
SIGNER = {
    "name": "Anna Müller",
    "title": "Chief Privacy Officer",
    "email": "anna.mueller@mercy.example",
    "organization_name": "Mercy General Hospital",
}
CALL = {"message": "Hello", "stream": False}


@pytest.fixture(scope="module")
def offering_settings(server_settings: Settings) -> Settings:
    """Of a gateway whose operator has said who countersigns."""
    return server_settings.model_copy(
        update={"baa_operator_name": "Example Health Cloud, Inc.", "baa_countersigner": "Jordan Reyes"}
    )


@pytest.fixture(scope="module")
def offering(offering_settings: Settings) -> Iterator[str]:
    with serve(offering_settings) as url:
        yield url


@pytest.fixture(scope="module")
def other_process(offering_settings: Settings) -> Iterator[str]:
    with serve(offering_settings) as url:
        yield url


@pytest_asyncio.fixture
async def customer(gateway_server: GatewayServer, offering: str) -> AsyncIterator["Customer"]:
    scopes = (Scope.AI_CHAT, Scope.CONTROL_READ, Scope.CONTROL_WRITE)
    tenant = await make_tenant(gateway_server.storage, scopes=scopes, agreement=False)
    yield Customer(replace(gateway_server, url=offering, live_key=tenant.token, tenant=tenant), tenant)


@dataclass(frozen=True, slots=True)
class Customer:
    """An organisation that has not accepted yet."""

    server: GatewayServer
    tenant: Tenant

    async def agreement(self) -> dict[str, Any]:
        return (await self.server.get(BAA)).json()["data"]

    async def acceptance(self, **changes: object) -> dict[str, Any]:
        """A body that accepts what is on offer."""
        offered = await self.agreement()
        return {
            "template_sha256": offered["template"]["sha256"],
            "token": offered["signing"]["token"],
            "signer": SIGNER,
            "authority": True,
            "consent_sha256": offered["signing"]["consent_sha256"],
            **changes,
        }

    async def accept(self, **changes: object) -> Reply:
        return await self.server.post(ACCEPTANCES, await self.acceptance(**changes))

    async def sign(self, acceptance: str, document: bytes = b"%PDF-signed") -> None:
        """What the workflow does."""
        async with self.server.storage.as_operator(self.tenant.org, command="test") as tx:
            await agreements.keep_document(tx, AcceptanceId(acceptance), document)
        async with self.server.storage.as_operator(self.tenant.org, command="test") as tx:
            await agreements.activate(tx, AcceptanceId(acceptance))

    async def actions(self) -> list[str]:
        entries = (await self.server.get("/v1/audit?limit=200")).json()["data"]
        return [entry["action"] for entry in entries]

    def at(self, url: str) -> GatewayServer:
        return replace(self.server, url=url)


def code(reply: Reply) -> tuple[int, str, str | None]:
    error = reply.json()["error"]
    return reply.status, error["code"], error.get("param")


async def becomes(server: GatewayServer, status: int) -> None:
    async with asyncio.timeout(10):
        while (await server.post("/v1/ai/chat", CALL)).status != status:  # noqa: ASYNC110 - another process tells no event
            await asyncio.sleep(0.02)


async def test_who_has_not_accepted_reads_how_to(customer: Customer) -> None:
    data = await customer.agreement()

    template = current_template()
    assert (data["status"], data["active_acceptance_id"]) == ("none", None)
    assert hashlib.sha256(data["template"]["text"].encode()).hexdigest() == data["template"]["sha256"]
    assert data["template"]["version"] == template.version
    assert data["signing"]["url"] == f"http://gateway.example{ACCEPTANCES}"
    assert data["signing"]["countersigned_by"]["organization_name"] == "Example Health Cloud, Inc."


@pytest.mark.parametrize(
    ("accept", "begins"), [("text/plain", b"BUSINESS ASSOCIATE AGREEMENT"), ("application/pdf", b"%PDF-")]
)
async def test_the_text_comes_alone_with_a_token_that_is_good(customer: Customer, accept: str, begins: bytes) -> None:
    text = await customer.server.get(BAA, headers={"accept": accept})

    accepted = await customer.accept(token=text.headers["hasp-baa-token"])

    assert text.headers["content-type"].startswith(accept)
    assert text.headers["cache-control"] == "no-store"
    assert text.body.startswith(begins)
    assert accepted.status == 202


async def test_an_acceptance_is_pending_until_its_document_is_kept(customer: Customer, other_process: str) -> None:
    accepted = (await customer.accept()).json()["data"]
    before = await customer.server.post("/v1/ai/chat", CALL)
    pending = await customer.agreement()

    await customer.sign(accepted["id"])

    await becomes(customer.server, 200)
    await becomes(customer.at(other_process), 200)
    active = await customer.agreement()
    assert (accepted["status"], before.status) == ("pending", 402)
    assert (pending["status"], pending["pending_acceptance_id"]) == ("pending", accepted["id"])
    assert (active["status"], active["active_acceptance_id"], active["is_current"]) == ("active", accepted["id"], True)
    assert accepted["organization"] == {"id": customer.tenant.org, "name": "Mercy General Hospital"}
    assert [action for action in await customer.actions() if action.startswith("baa.")] == [
        "baa.activated",
        "baa.signed",
        "baa.accepted",
    ]


async def test_a_termination_reaches_every_process_and_leaves_a_month_to_read(
    customer: Customer, other_process: str, gateway_server: GatewayServer
) -> None:
    accepted = (await customer.accept()).json()["data"]
    await customer.sign(accepted["id"])
    await becomes(customer.server, 200)
    await becomes(customer.at(other_process), 200)
    said = (await customer.server.post("/v1/ai/chat", CALL)).json()["data"]["message"]["id"]
    storage = gateway_server.storage

    await terminate_agreement(storage, customer.tenant.org, notice=timedelta(), grace_days=30)

    await becomes(customer.server, 402)
    await becomes(customer.at(other_process), 402)
    data = await customer.agreement()
    assert (data["status"], data["active_acceptance_id"]) == ("terminated", None)
    assert data["readable_until"] is not None
    assert (await customer.server.get(f"/v1/ai/messages/{said}")).status == 200


async def test_an_answer_that_streams_when_the_agreement_ends_is_told_to_its_end(customer: Customer) -> None:
    accepted = (await customer.accept()).json()["data"]
    await customer.sign(accepted["id"])
    await becomes(customer.server, 200)
    server, storage = customer.server, customer.server.storage
    slow = {"message": "[[sandbox: frames=150; delay_ms=10]] go"}

    async with server.session.post(
        f"{server.url}/v1/ai/chat", json=slow, headers={"x-api-key": customer.tenant.token}
    ) as answer:
        await answer.content.readuntil(b"message.delta")
        await terminate_agreement(storage, customer.tenant.org, notice=timedelta(), grace_days=30)
        await becomes(server, 402)
        rest = await answer.read()

    record = (await server.get(f"/v1/ai/messages/{answer.headers['x-request-id']}")).json()["data"]
    assert rest.count(b"message.delta") > 0
    assert record["status"] == "completed"


async def test_without_a_grace_nothing_can_be_read_after_the_end(customer: Customer) -> None:
    accepted = (await customer.accept()).json()["data"]
    await customer.sign(accepted["id"])
    await becomes(customer.server, 200)
    said = (await customer.server.post("/v1/ai/chat", CALL)).json()["data"]["message"]["id"]

    storage = customer.server.storage
    await terminate_agreement(storage, customer.tenant.org, notice=timedelta(), grace_days=0)

    await becomes(customer.server, 402)
    assert code(await customer.server.get(f"/v1/ai/messages/{said}"))[:2] == (402, "BAA_REQUIRED")


async def test_fifty_who_accept_at_once_make_one_acceptance(customer: Customer, other_process: str) -> None:
    body = await customer.acceptance()
    servers = (customer.server, customer.at(other_process))

    replies = await asyncio.gather(*(servers[each % 2].post(ACCEPTANCES, body) for each in range(50)))

    assert sorted(reply.status for reply in replies) == [200] * 49 + [202]
    assert len({reply.json()["data"]["id"] for reply in replies}) == 1
    assert (await customer.actions()).count("baa.accepted") == 1


async def test_one_idempotency_key_has_one_answer(customer: Customer) -> None:
    body, headers = await customer.acceptance(), {"idempotency-key": new_ulid()}

    first = await customer.server.post(ACCEPTANCES, body, headers=headers)
    second = await customer.server.post(ACCEPTANCES, body, headers=headers)

    assert (first.status, second.status) == (202, 202)
    assert first.body == second.body
    assert second.headers["idempotent-replayed"] == "true"


async def test_another_revision_is_a_conflict(customer: Customer) -> None:
    older, wording = templates()[0].sha256, "0" * 64

    assert code(await customer.accept(template_sha256=older)) == (409, "BAA_REVISION_STALE", "template_sha256")
    assert code(await customer.accept(consent_sha256=wording)) == (409, "BAA_REVISION_STALE", "consent_sha256")


async def test_a_token_of_another_key_is_a_conflict(customer: Customer, gateway_server: GatewayServer) -> None:
    other = await make_tenant(gateway_server.storage, scopes=(Scope.CONTROL_READ,), agreement=False)
    theirs = (await customer.server.get(BAA, key=other.token)).json()["data"]["signing"]["token"]

    assert code(await customer.accept(token=theirs)) == (409, "BAA_TOKEN_INVALID", "token")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"authority": False}, "authority"),
        ({"authority": "yes"}, "authority"),
        ({"token": 7}, "token"),
        ({"template_sha256": "abc"}, "template_sha256"),
        ({"signer": SIGNER | {"name": " "}}, "signer.name"),
        ({"signer": SIGNER | {"name": "Anna\u202eretsnoM"}}, "signer.name"),
        ({"signer": SIGNER | {"name": "x" * 101}}, "signer.name"),
        ({"signer": SIGNER | {"email": "nobody"}}, "signer.email"),
        ({"signer": SIGNER | {"organization_name": "Mercy\u200b"}}, "signer.organization_name"),
        ({"signer": SIGNER | {"organization_name": "\U000e0041 Mercy \ua500"}}, "signer.organization_name"),
        ({"signer": {"name": "Anna"}}, "signer.title"),
        ({"signer": SIGNER | {"authority": True}}, "signer.authority"),
    ],
)
async def test_what_cannot_stand_in_a_contract_is_refused_by_name(
    customer: Customer, changes: dict[str, Any], param: str
) -> None:
    refused = await customer.accept(**changes)

    assert code(refused) == (422, "VALIDATION_FAILED", param)
    assert b"Mercy" not in refused.body
    assert (await customer.agreement())["status"] == "none"


async def test_a_name_in_a_script_that_no_font_has_is_refused(customer: Customer) -> None:
    refused = await customer.accept(signer=SIGNER | {"name": "ꔀꔁꔂ"})

    assert code(refused) == (422, "VALIDATION_FAILED", "signer.name")


async def test_reading_does_not_sign(customer: Customer, gateway_server: GatewayServer) -> None:
    async with gateway_server.storage.as_operator(customer.tenant.org, command="test") as tx:
        _, reader = await tx.keys.add(name="reader", scopes=(Scope.CONTROL_READ,), mode=KeyMode.LIVE)
        _, tester = await tx.keys.add(name="test", scopes=(Scope.CONTROL_WRITE,), mode=KeyMode.TEST)
        tx.audit(AuditAction.API_KEY_CREATED, entity_type="api_key", entity_id=customer.tenant.key.id)
    body = await customer.acceptance()

    for key in (reader, tester):
        assert code(await customer.server.post(ACCEPTANCES, body, key=key))[:2] == (403, "MISSING_SCOPE")


async def test_nobody_can_accept_while_nobody_countersigns(gateway_server: GatewayServer) -> None:
    scopes = (Scope.CONTROL_READ, Scope.CONTROL_WRITE)
    tenant = await make_tenant(gateway_server.storage, scopes=scopes, agreement=False)
    offered = (await gateway_server.get(BAA, key=tenant.token)).json()["data"]
    body = {
        "template_sha256": offered["template"]["sha256"],
        "token": "baa1.1.1." + "0" * 64,
        "signer": SIGNER,
        "authority": True,
        "consent_sha256": "0" * 64,
    }

    refused = await gateway_server.post(ACCEPTANCES, body, key=tenant.token)

    assert offered["signing"] is None
    assert code(refused)[:2] == (409, "BAA_NOT_OFFERED")


async def test_the_signed_document_is_downloaded_by_its_hash(customer: Customer) -> None:
    accepted = (await customer.accept()).json()["data"]
    download = f"{ACCEPTANCES}/{accepted['id']}/download"
    early = await customer.server.get(download)
    await customer.sign(accepted["id"], b"%PDF-the one")

    got = await customer.server.get(download)
    again = await customer.server.get(download, headers={"if-none-match": got.headers["etag"]})

    sha256 = hashlib.sha256(b"%PDF-the one").hexdigest()
    shown = (await customer.server.get(f"{ACCEPTANCES}/{accepted['id']}")).json()["data"]
    assert code(early)[:2] == (404, "RESOURCE_NOT_FOUND")
    assert (got.status, got.body, got.headers["content-type"]) == (200, b"%PDF-the one", "application/pdf")
    assert got.headers["etag"] == f'"{sha256}"'
    assert got.headers["content-disposition"] == f'attachment; filename="baa-{accepted["id"]}.pdf"'
    assert (again.status, again.body) == (304, b"")
    assert (shown["document_sha256"], shown["document_size"], shown["status"]) == (sha256, 12, "active")
    assert (await customer.actions()).count("baa.document_retrieved") == 2


async def test_acceptances_are_listed_newest_first_and_page_by_page(customer: Customer) -> None:
    ids: list[str] = []
    for _ in range(3):
        accepted = (await customer.accept()).json()["data"]
        ids.append(accepted["id"])
        storage: Storage = customer.server.storage
        await terminate_agreement(storage, customer.tenant.org, notice=timedelta(), grace_days=30)

    first = (await customer.server.get(f"{ACCEPTANCES}?limit=2")).json()
    rest = (await customer.server.get(f"{ACCEPTANCES}?limit=2&cursor={first['meta']['next_cursor']}")).json()

    assert [each["id"] for each in (*first["data"], *rest["data"])] == ids[::-1]
    assert {each["status"] for each in first["data"]} == {"terminated"}
    assert rest["meta"]["has_more"] is False


@pytest.mark.parametrize("path", ["{}", "{}/download"])
async def test_another_organisations_acceptance_is_not_there(
    customer: Customer, gateway_server: GatewayServer, path: str
) -> None:
    accepted = (await customer.accept()).json()["data"]
    other = await make_tenant(gateway_server.storage, scopes=(Scope.CONTROL_READ,), agreement=False)

    for known in (accepted["id"], new_ulid(), "not-an-id"):
        reply = await customer.server.get(f"{ACCEPTANCES}/{path.format(known)}", key=other.token)
        assert code(reply)[:2] == (404, "RESOURCE_NOT_FOUND")
