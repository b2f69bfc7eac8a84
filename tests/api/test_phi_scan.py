"""`POST /v1/phi/scan`: what people are shown of what the guard sees."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from gateway.settings import Settings
from gateway.tenancy import PhiMode, Scope
from tests.agents import make_credential
from tests.gateway_server import GatewayServer, Json, Reply, serve
from tests.tenants import Tenant, make_tenant

PATH = "/v1/phi/scan"
TEXT = "Ärztin 🩺 saw Zachary Quillfeather, SSN 219-09-4437, today; Zachary Quillfeather, MRN 48213377, left."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hospital(gateway_server: GatewayServer) -> AsyncIterator[Tenant]:
    yield await make_tenant(gateway_server.storage)


async def scan(server: GatewayServer, tenant: Tenant, body: object) -> Reply:
    return await server.post(PATH, body, key=tenant.token)


async def test_the_answer_tells_kinds_places_scores_and_the_redacted_text(
    gateway_server: GatewayServer, hospital: Tenant
) -> None:
    reply = await scan(gateway_server, hospital, {"text": TEXT})

    assert reply.status == 200, reply.body
    data = reply.json()["data"]
    found = [(each["type"], each["placeholder"], TEXT[each["start"] : each["end"]]) for each in data["entities"]]
    assert found == [
        ("PERSON", "[NAME_1]", "Zachary Quillfeather"),
        ("US_SSN", "[SSN_1]", "219-09-4437"),
        ("PERSON", "[NAME_1]", "Zachary Quillfeather"),
        ("MEDICAL_RECORD_NUMBER", "[MRN_1]", "48213377"),
    ]
    assert all(0.4 <= each["score"] <= 1 for each in data["entities"])
    assert data["redacted_text"] == "Ärztin 🩺 saw [NAME_1], SSN [SSN_1], today; [NAME_1], MRN [MRN_1], left."
    assert (data["redaction_count"], data["entity_types"]) == (4, ["MEDICAL_RECORD_NUMBER", "PERSON", "US_SSN"])
    assert (data["phi_mode"], data["phi_profile"]) == ("redact", "safe_harbor")


async def test_the_reference_shows_what_is_answered(gateway_server: GatewayServer, hospital: Tenant) -> None:
    document = (await gateway_server.get("/openapi.json", key=None)).json()
    shown = document["paths"][PATH]["post"]["responses"]["200"]["content"]["application/json"]["example"]

    data = (await scan(gateway_server, hospital, {"text": TEXT})).json()["data"]

    assert set(shown["data"]) == set(data)
    assert set(shown["data"]["entities"][0]) == set(data["entities"][0])


async def test_an_agent_needs_the_agreement_to_scan_as_a_key_does(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, agreement=False)
    credential = await make_credential(gateway_server.storage, tenant.org)

    replies = [await gateway_server.post(PATH, {"text": TEXT}, key=key) for key in (tenant.token, credential.token)]

    assert [(reply.status, reply.json()["error"]["code"]) for reply in replies] == [(402, "BAA_REQUIRED")] * 2


@pytest.mark.parametrize("text", ["", "Nothing to see here."])
async def test_a_text_without_phi_comes_back_as_it_is(
    gateway_server: GatewayServer, hospital: Tenant, text: str
) -> None:
    data = (await scan(gateway_server, hospital, {"text": text})).json()["data"]

    assert (data["entities"], data["entity_types"], data["redaction_count"]) == ([], [], 0)
    assert data["redacted_text"] == text


@pytest.mark.parametrize("mode", PhiMode)
async def test_what_would_be_masked_is_shown_in_every_mode(gateway_server: GatewayServer, mode: PhiMode) -> None:
    tenant = await make_tenant(gateway_server.storage, phi_mode=mode)

    data = (await scan(gateway_server, tenant, {"text": "SSN 219-09-4437"})).json()["data"]

    assert (data["redacted_text"], data["phi_mode"]) == ("SSN [SSN_1]", mode.value)


async def test_the_organisations_own_lists_and_profile_count(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(
        gateway_server.storage,
        phi_profile="limited_data_set",
        phi_deny_terms=("Project Bluebird",),
        phi_allow_terms=("219-09-4437",),
    )

    data = (await scan(gateway_server, tenant, {"text": "project bluebird, SSN 219-09-4437, 03/04/2021"})).json()[
        "data"
    ]

    assert data["redacted_text"] == "[TERM_1], SSN 219-09-4437, 03/04/2021"
    assert data["phi_profile"] == "limited_data_set"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "text"),
        ({"text": None}, "text"),
        ({"text": ["Quillfeather"]}, "text"),
        ({"text": "Quillfeather" + "x" * 1_000_000}, "text"),
        ({"text": "x", "phi_mode": "allow"}, "phi_mode"),
        ({"text": "x", "Quillfeather": 1}, None),
        ([], None),
        (b"", None),
        (b'{"text": "\\ud83d Quillfeather"}', None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_form_is_400_naming_the_field(
    gateway_server: GatewayServer, hospital: Tenant, body: object, param: str | None
) -> None:
    reply = await scan(gateway_server, hospital, body)

    assert reply.status == 400
    error = reply.json()["error"]
    assert (error["code"], error.get("param")) == ("VALIDATION_FAILED", param)
    assert b"Quillfeather" not in reply.body


async def test_a_text_of_the_largest_size_is_scanned(gateway_server: GatewayServer, hospital: Tenant) -> None:
    text = "Nothing to see here. " * 47_618
    reply = await scan(gateway_server, hospital, {"text": f"{text[:999_980]} SSN 219-09-4437"})

    assert reply.status == 200
    assert reply.json()["data"]["redacted_text"].endswith("SSN [SSN_1]")


async def test_a_scan_leaves_an_audit_entry_of_counts_and_kinds_and_nothing_else(
    gateway_server: GatewayServer, server_settings: Settings
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    reply = await scan(gateway_server, tenant, {"text": TEXT})

    (entry,) = (await gateway_server.get("/v1/audit?action=phi.scanned", key=tenant.token)).json()["data"]
    assert entry["metadata"]["characters"] == len(TEXT)
    assert entry["metadata"]["request_id"] == reply.json()["meta"]["request_id"]
    assert entry["metadata"]["phi_scan"]["redaction_count"] == 4
    assert entry["metadata"]["phi_scan"]["categories_detected"] == ["MEDICAL_RECORD_NUMBER", "PERSON", "US_SSN"]
    assert entry["phi_disposition"] == "redacted_at_delivery"
    with psycopg.connect(str(server_settings.database_url), options="-c hasp.system=on") as connection:
        for table in ("inferences", "phi_findings", "outbox", "usage_records", "credit_holds"):
            kept = connection.execute(
                f"select count(*) from {table} where org_id = %s",  # pyright: ignore[reportArgumentType, reportCallIssue]
                [tenant.org],
            ).fetchone()
            assert (table, kept) == (table, (0,))


async def test_a_scan_needs_the_scope_of_a_chat(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, scopes=[Scope.CONTROL_READ, Scope.CONTROL_WRITE])

    reply = await scan(gateway_server, tenant, {"text": "x"})

    assert (reply.status, reply.json()["error"]["details"]) == (403, {"required_scope": "ai:chat"})
    assert (await gateway_server.post(PATH, {"text": "x"}, key=None)).status == 401


async def test_a_scan_needs_an_agreement_as_a_chat_does_and_its_refusal_is_audited(
    gateway_server: GatewayServer,
) -> None:
    tenant = await make_tenant(gateway_server.storage, agreement=False)

    reply = await scan(gateway_server, tenant, {"text": "x"})

    assert (reply.status, reply.json()["error"]["code"]) == (402, "BAA_REQUIRED")
    assert reply.headers["x-should-retry"] == "false"
    log = (await gateway_server.get("/v1/audit?action=access.refused", key=tenant.token)).json()["data"]
    assert [entry["metadata"]["error_code"] for entry in log] == ["BAA_REQUIRED"]


async def test_two_organisations_scans_share_nothing(gateway_server: GatewayServer) -> None:
    one = await make_tenant(gateway_server.storage, phi_deny_terms=("Bluebird",))
    other = await make_tenant(gateway_server.storage)
    body: Json = {"text": "Bluebird and 219-09-4437"}

    replies = await asyncio.gather(*(scan(gateway_server, tenant, body) for tenant in (one, other) * 5))

    assert {reply.json()["data"]["redacted_text"] for reply in replies[::2]} == {"[TERM_1] and [SSN_1]"}
    assert {reply.json()["data"]["redacted_text"] for reply in replies[1::2]} == {"Bluebird and [SSN_1]"}


async def test_a_scan_that_does_not_end_in_time_is_503_and_no_answer(
    gateway_server: GatewayServer, server_settings: Settings, hospital: Tenant
) -> None:
    hurried = server_settings.model_copy(update={"phi_scan_timeout_s": 0.001})

    with serve(hurried) as elsewhere:
        url = elsewhere + PATH
        headers = {"x-api-key": hospital.token}
        async with gateway_server.session.post(url, json={"text": TEXT * 1000}, headers=headers) as answer:
            error = (await answer.json())["error"]

    assert (answer.status, error["code"], error["retryable"]) == (503, "INFERENCE_UNAVAILABLE", True)
