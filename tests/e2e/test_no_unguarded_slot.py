"""No unguarded slot: a canary in every string of every shape of request that the API accepts; no provider sees one.

The shapes come from the API's own document (`request_shapes`). The note, which
holds several identifiers, goes into every slot. It and every other form of
canary go once more into every slot that takes any text, and into every third
of those inside free-form JSON, which one function reads; the thirds differ.
With each form a slot meets another vendor, or another way to answer, than with
the last.
"""

import orjson
import pytest
import pytest_asyncio

from api.anthropic.compatible import BASES
from gateway.packed_reasoning import PackedReasoning, pack
from gateway.tenancy import PhiMode
from sandbox.signing import sign
from tests.e2e import openai_shapes
from tests.e2e.canaries import (
    CLAUDE,
    FORMS,
    GPT,
    KNOWN,
    MODELS,
    NAME,
    NOTE,
    OF_A_KNOWN_PATIENT,
    PLACEHOLDER,
    SEALS,
    Case,
    asked,
    cases,
    leaks,
    tell_in,
)
from tests.e2e.request_shapes import Object, Slot, shapes, slots
from tests.e2e.tapped_gateway import TappedGateway, tapped, tapped_gateway
from tests.gateway_server import server_settings
from tests.tenants import Tenant, make_tenant

__all__ = ["server_settings", "tapped", "tapped_gateway"]

CREDITS = 10**12
EVERY = 3
ABLE = "claude-sonnet-4-6"
"""A model that can do whatever may be asked."""
NOT_FORWARDED = {"context_management", "diagnostics"}
"""Fields that end here, so that nobody reads them."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def every_slot(tapped_gateway: TappedGateway) -> list[Slot]:
    return slots([*shapes(await tapped_gateway.openapi()), *openai_shapes.shapes()])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(tapped_gateway: TappedGateway) -> Tenant:
    """One that lets images and PDFs pass, so that what stands beside them is reached."""
    return await make_tenant(tapped_gateway.storage, allotment=CREDITS, unscannable="pass")


async def assert_hidden(gateway: TappedGateway, tenant: Tenant, tried: list[Case]) -> None:
    replies = await gateway.post_all(tenant, [case.request for case in tried])
    wrongs = [wrong for case, reply in zip(tried, replies, strict=True) for wrong in case.wrongs(reply)]
    found = leaks(gateway.tap.heard, tried) + wrongs
    assert not found, "\n".join((f"{len(found)} slots:", *found[:40]))
    # A gateway that refused everything would hide everything.
    assert len(gateway.tap.heard) > len(tried) / 4


async def test_a_note_is_hidden_in_every_slot(
    tapped_gateway: TappedGateway, tenant: Tenant, every_slot: list[Slot]
) -> None:
    await assert_hidden(tapped_gateway, tenant, cases(every_slot, NOTE))


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_an_identifier_is_hidden_in_every_kind_of_slot(
    tapped_gateway: TappedGateway, tenant: Tenant, every_slot: list[Slot], form: str
) -> None:
    turn = 1 + list(FORMS).index(form)
    declared = [slot for slot in every_slot if not slot.is_free and not slot.is_fixed]
    free = [slot for slot in every_slot if slot.is_free]
    chosen = declared + free[turn % EVERY :: EVERY]

    await assert_hidden(
        tapped_gateway, tenant, cases(chosen, FORMS[form], turn=turn, introduced=form in OF_A_KNOWN_PATIENT)
    )


def test_every_inference_route_has_shapes(every_slot: list[Slot]) -> None:
    """A route whose tag does not say that it is inference would go untried."""
    compatible = {f"{base}/messages{path}" for base in BASES for path in ("", "/count_tokens")}
    assert {slot.shape.path for slot in every_slot} >= {
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/ai/chat",
        *compatible,
        *openai_shapes.PATHS,
    }


def is_read(slot: Slot) -> bool:
    """Whether anybody reads what stands there; of OpenAI's form the rest is left out unread."""
    if slot.shape.path not in openai_shapes.PATHS:
        return slot.steps[0] not in NOT_FORWARDED
    return not (slot.is_key or slot.is_free) and slot.steps[-1] in openai_shapes.READ and "summary" not in slot.steps


async def test_block_mode_sends_nothing_of_any_slot(tapped_gateway: TappedGateway, every_slot: list[Slot]) -> None:
    blocking = await make_tenant(tapped_gateway.storage, allotment=CREDITS, phi_mode=PhiMode.BLOCK)
    tried = cases([slot for slot in every_slot if not slot.is_fixed and is_read(slot)], NOTE)

    replies = await tapped_gateway.post_all(blocking, [case.request for case in tried])

    assert tapped_gateway.tap.heard == []
    assert {reply.status for reply in replies} == {400, 403, 404}
    assert [wrong for case, reply in zip(tried, replies, strict=True) for wrong in case.wrongs(reply)] == []


async def test_what_cannot_be_read_is_refused_wherever_it_stands(
    tapped_gateway: TappedGateway, every_slot: list[Slot]
) -> None:
    careful = await make_tenant(tapped_gateway.storage, allotment=CREDITS)
    unreadable = [slot for slot in every_slot if "source<base64>" in slot.name or "source<url>" in slot.name]
    bodies = [(slot.shape.path, {**slot.shape.body, **asked(slot.shape.path, 0, CLAUDE)}) for slot in unreadable]

    replies = await tapped_gateway.post_all(careful, bodies)

    assert {reply.status for reply in replies} == {403}
    assert tapped_gateway.tap.heard == []


async def test_every_slot_reaches_a_provider_when_it_holds_no_canary(
    tapped_gateway: TappedGateway, tenant: Tenant, every_slot: list[Slot]
) -> None:
    """A slot whose shape is refused for another reason would look guarded without having been tried."""
    hosts = {id(slot.shape): slot.shape for slot in every_slot if slot.steps != ("conversation_id",)}
    bodies = [(shape.path, {**shape.body, **asked(shape.path, 0, ABLE)}) for shape in hosts.values()]

    replies = await tapped_gateway.post_all(tenant, bodies)

    assert [(body, reply.body) for (_, body), reply in zip(bodies, replies, strict=True) if reply.status != 200] == []


@pytest.mark.parametrize("text", SEALS)
@pytest.mark.parametrize("place", ["id", "encrypted_content", "thinking", "signature", "data"])
async def test_nobody_can_seal_a_text_of_their_own(
    tapped_gateway: TappedGateway, tenant: Tenant, place: str, text: str
) -> None:
    """What only a provider can read is what the provider wrote; what is packed for one of them is read inside."""
    packed = {"id": "rs_1", "encrypted_content": sign("reasoning", "rs_1"), "thinking": "plain words"} | {place: text}
    signature = pack(PackedReasoning(packed["id"], packed["encrypted_content"], ()))
    thought = {"type": "thinking", "thinking": packed["thinking"], "signature": signature}
    model, block = {
        "signature": (CLAUDE, thought | {"signature": text}),
        "data": (CLAUDE, {"type": "redacted_thinking", "data": text}),
    }.get(place, (GPT, thought))
    turns = [{"role": "user", "content": KNOWN}, {"role": "assistant", "content": [block]}]
    body = {"messages": [*turns, {"role": "user", "content": "Go on"}], **asked("/v1/messages", 0, model)}

    (reply,) = await tapped_gateway.post_all(tenant, [("/v1/messages", body)])

    assert leaks(tapped_gateway.tap.heard, ()) == []
    assert reply.status == 400
    assert not tell_in(reply.body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/ai/chat", openai_shapes.CHAT])
@pytest.mark.parametrize("way", ["chunk=3", "chunk=3; tool=find", "chunk=4; tool=find; tools=2"])
async def test_what_the_model_repeats_comes_back_whole(
    tapped_gateway: TappedGateway, tenant: Tenant, way: str, path: str, model: str, stream: bool
) -> None:
    schema = {"type": "object", "properties": {"note": {"type": "string"}}}
    tool: Object = {"name": "find", "input_schema": schema}
    if path == openai_shapes.CHAT:
        tool = {"type": "function", "function": {"name": "find", "parameters": schema}}
    said = {"role": "user", "content": f"[[sandbox: {way}]] {NOTE}"}
    body = {"messages": [said], "tools": [tool], **asked(path, 0, model, stream=stream)}

    (reply,) = await tapped_gateway.post_all(tenant, [(path, body)])

    assert leaks(tapped_gateway.tap.heard, ()) == []
    assert NOTE in reply.words()
    assert not PLACEHOLDER.search(reply.words())


async def test_headers_and_queries_go_no_further(tapped_gateway: TappedGateway, tenant: Tenant) -> None:
    names = ("anthropic-beta", "anthropic-version", "baggage", "cookie", "traceparent", "user-agent", "x-patient")
    headers: dict[str, str] = dict.fromkeys(names, f"{NAME} 917-44-8123")
    tapped_gateway.tap.heard.clear()
    for model in MODELS:
        body = {"messages": [{"role": "user", "content": "Hello"}], **asked("/v1/messages", 1, model)}
        reply = await tapped_gateway.post(tenant, f"/v1/messages?{NAME}=917-44-8123", body, headers)
        assert reply.status == 200
        assert tell_in(reply.headers + reply.body) is None

    assert len(tapped_gateway.tap.heard) == len(MODELS)
    assert [heard for heard in tapped_gateway.tap.heard if tell_in(heard)] == []


@pytest.mark.parametrize("model", MODELS)
async def test_what_was_restored_is_hidden_again_when_the_conversation_goes_on(
    tapped_gateway: TappedGateway, tenant: Tenant, model: str
) -> None:
    tapped_gateway.tap.heard.clear()
    first = {"message": NOTE, "model": model, "stream": False}
    data = orjson.loads((await tapped_gateway.post(tenant, "/v1/ai/chat", first)).body)["data"]
    second = {"message": "Who was it?", "conversation_id": data["conversation_id"], "model": model}

    reply = await tapped_gateway.post(tenant, "/v1/ai/chat", second)

    assert data["message"]["content"] == f"Echo: {NOTE}"
    assert reply.status == 200
    assert leaks(tapped_gateway.tap.heard, ()) == []
    assert tapped_gateway.tap.heard[1].count("[NAME_1]") == 2


@pytest.mark.parametrize(
    "text", [NOTE.upper(), NAME.replace(" ", "%20"), '{"a":"\\u0057ilhelmina"}', "917%2D44%2D8123", "id=55501234"]
)
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    """A search that cannot find anything would find nothing wrong."""
    assert tell_in(text)
