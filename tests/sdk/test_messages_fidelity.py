"""Every feature of Anthropic's Messages API that is covered, asked for and read with the official SDK."""

from collections.abc import AsyncIterator
from typing import Any, cast

import anthropic
import openai
import orjson
import pytest
import pytest_asyncio

from tests.gateway_server import GatewayServer
from tests.tenants import make_tenant
from tests.upstream import SandboxServer

Json = dict[str, Any]
CLAUDE, GPT = MODELS = ("claude-sonnet-4-6", "gpt-5.4")
FIND: Json = {"name": "find", "input_schema": {"type": "object", "properties": {"who": {"type": "string"}}}}
PING: Json = {"name": "ping", "input_schema": {"type": "object", "properties": {}}}
PATIENT = "Maria Lopez"


@pytest_asyncio.fixture(loop_scope="session")
async def client(
    gateway_server: GatewayServer, sandbox_server: SandboxServer
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    tenant = await make_tenant(gateway_server.storage, unscannable="pass")
    sandbox_server.clear()
    async with anthropic.AsyncAnthropic(api_key=tenant.token, base_url=gateway_server.url, max_retries=0) as made:
        yield made


async def ask(
    client: anthropic.AsyncAnthropic, content: Any, *, stream: bool = False, **fields: Any
) -> anthropic.types.Message:
    turns: list[Json] = fields.pop("messages", None) or [{"role": "user", "content": content}]
    # Not in the newest SDK's signature, but in the API.
    extra = {name: fields[name] for name in ("top_k", "temperature") if name in fields}
    named = {name: value for name, value in fields.items() if name not in extra}
    asked: Json = {"model": CLAUDE, "max_tokens": 2000, "messages": turns, "extra_body": extra, **named}
    if not stream:
        return cast("anthropic.types.Message", await client.messages.create(**asked))
    async with client.messages.stream(**asked) as answering:
        return await answering.get_final_message()


CACHE: Json = {"type": "ephemeral", "ttl": "1h"}
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjcK"
IMAGE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
OVERSIZED: Json = IMAGE | {"transformations": {"oversized_image": "error"}}
NOTE: Json = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "All is well. Come back."},
    "title": "Visit",
    "context": "A note",
}
RESULT: Json = {
    "type": "search_result",
    "source": "handbook",
    "title": "Fasting",
    "content": [{"type": "text", "text": "Eight hours."}],
}
CARRIED: list[Json] = [
    {"tools": [{"type": "bash_20250124", "name": "bash", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]},
    {
        "tools": [
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 900},
            {"type": "memory_20250818", "name": "memory", "strict": True},
        ]
    },
    {"tools": [FIND | {"input_examples": [{"who": "the next one"}], "eager_input_streaming": True, "strict": False}]},
    {"tools": [FIND], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    {"tools": [FIND], "tool_choice": {"type": "any", "disable_parallel_tool_use": False}},
    {"tools": [FIND], "tool_choice": {"type": "tool", "name": "find", "disable_parallel_tool_use": True}},
    {"tools": [FIND], "tool_choice": {"type": "none"}},
    {"inference_geo": "us", "service_tier": "standard_only", "stop_sequences": ["END", "STOP"]},
    {"metadata": {"user_id": "user_1"}, "top_k": 5, "temperature": 0.5},
    {"cache_control": CACHE, "system": [{"type": "text", "text": "Be brief.", "cache_control": CACHE}]},
    {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}}},
    {"thinking": {"type": "adaptive", "display": "omitted"}},
]


@pytest.mark.parametrize("fields", CARRIED, ids="+".join)
async def test_what_is_asked_of_claude_reaches_it_as_it_was_sent(
    client: anthropic.AsyncAnthropic, sandbox_server: SandboxServer, fields: Json
) -> None:
    await ask(client, "Hello", **fields)

    (sent,) = sandbox_server.bodies()
    assert {name: sent.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    "content",
    [
        [OVERSIZED | {"cache_control": CACHE}],
        [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}],
        [NOTE | {"citations": {"enabled": True}, "cache_control": CACHE}],
        [{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}],
        [{"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}],
        [{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Well."}, IMAGE]}}],
        [RESULT | {"citations": {"enabled": True}, "cache_control": CACHE}],
    ],
    ids=lambda content: content[0]["type"],
)
async def test_every_kind_of_content_reaches_claude_as_it_was_sent(
    client: anthropic.AsyncAnthropic, sandbox_server: SandboxServer, content: list[Json]
) -> None:
    content = [*content, {"type": "text", "text": "What is this?", "cache_control": CACHE}]

    await ask(client, content)

    (sent,) = sandbox_server.bodies()
    assert sent["messages"] == [{"role": "user", "content": content}]


async def test_results_of_tools_keep_their_order_their_forms_and_their_errors(
    client: anthropic.AsyncAnthropic, sandbox_server: SandboxServer
) -> None:
    called = [{"type": "tool_use", "id": f"call_{at}", "name": "find", "input": {"who": "x"}} for at in range(4)]
    results: list[Json] = [
        {"type": "tool_result", "tool_use_id": "call_2", "content": "one string"},
        {"type": "tool_result", "tool_use_id": "call_0", "content": [{"type": "text", "text": "a list"}, IMAGE]},
        {"type": "tool_result", "tool_use_id": "call_3", "content": [NOTE, RESULT], "cache_control": CACHE},
        {"type": "tool_result", "tool_use_id": "call_1", "content": "no such patient", "is_error": True},
    ]
    turns = [
        {"role": "user", "content": "Find them"},
        {"role": "assistant", "content": called},
        {"role": "user", "content": [*results, {"type": "text", "text": "Well?"}]},
    ]

    await ask(client, "", messages=turns, tools=[FIND])

    (sent,) = sandbox_server.bodies()
    assert sent["messages"] == turns


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_parallel_calls_come_with_their_inputs(
    client: anthropic.AsyncAnthropic, model: str, stream: bool
) -> None:
    said = f"[[sandbox: tool=find; tools=3; chunk=1]] {PATIENT}"

    answer = await ask(client, said, model=model, tools=[FIND, PING], stream=stream)

    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"who": PATIENT}] * 3
    assert len({call.id for call in calls}) == 3
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_a_call_without_input_has_an_empty_one(
    client: anthropic.AsyncAnthropic, model: str, stream: bool
) -> None:
    answer = await ask(client, "[[sandbox: tool=ping]] go", model=model, tools=[PING], stream=stream)

    assert [block.input for block in answer.content if block.type == "tool_use"] == [{}]


@pytest.mark.parametrize("stream", [False, True])
async def test_citations_come_back_in_the_callers_words(client: anthropic.AsyncAnthropic, stream: bool) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": f"{PATIENT} was seen today. All is well."}
    document = {"type": "document", "source": source, "title": f"About {PATIENT}", "citations": {"enabled": True}}

    answer = await ask(client, [document, {"type": "text", "text": "Summarize"}], stream=stream)

    cited = [cite for block in answer.content if block.type == "text" for cite in block.citations or ()]
    assert [cite.type for cite in cited] == ["char_location"]
    (cite,) = cited
    assert cite.type == "char_location"
    assert cite.cited_text.strip() == f"{PATIENT} was seen today."
    assert cite.document_title == f"About {PATIENT}"
    # Counted in the document as the caller has it.
    assert source["data"][cite.start_char_index : cite.end_char_index] == cite.cited_text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_says_why(client: anthropic.AsyncAnthropic, stream: bool) -> None:
    answer = await ask(client, "[[sandbox: stop=refusal; category=bio]] No", stream=stream)

    assert answer.stop_reason == "refusal"
    assert answer.stop_details is not None
    assert answer.stop_details.category == "bio"
    assert answer.stop_details.explanation


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_tells_the_kinds_of_cache_writes_apart(client: anthropic.AsyncAnthropic, stream: bool) -> None:
    answer = await ask(client, f"[[sandbox: cache=on]] {'a long note ' * 50}", stream=stream)

    usage = answer.usage
    assert usage.cache_creation is not None
    assert usage.cache_read_input_tokens
    assert usage.cache_creation.ephemeral_5m_input_tokens > usage.cache_creation.ephemeral_1h_input_tokens > 0
    assert usage.service_tier == "standard"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_gpt_models_service_tier_is_anthropics_word_for_it(
    client: anthropic.AsyncAnthropic, stream: bool
) -> None:
    answer = await ask(client, "Hello", model=GPT, service_tier="standard_only", stream=stream)

    assert answer.usage.service_tier in {"standard", None}
    assert answer.container is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"top_k": 5}, "top_k"),
        ({"stop_sequences": ["END"]}, "stop_sequences"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking.budget_tokens"),
        ({"messages": [{"role": "user", "content": [OVERSIZED]}]}, "messages[0].content[0].transformations"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So"}]}, "messages[1]"),
        ({"tools": [FIND | {"input_examples": [{"who": "x"}]}]}, "tools[0].input_examples"),
    ],
    ids=str,
)
async def test_what_a_gpt_model_cannot_do_is_refused_by_name(
    client: anthropic.AsyncAnthropic, fields: Json, param: str
) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        await ask(client, "Hello", model=GPT, **fields)

    assert cast("Json", refused.value.body)["error"]["param"] == param


async def test_one_token_is_asked_of_a_gpt_model_as_the_least_it_takes(
    client: anthropic.AsyncAnthropic, sandbox_server: SandboxServer
) -> None:
    probe = await client.messages.with_raw_response.create(
        model=GPT, max_tokens=1, messages=[{"role": "user", "content": "quota"}]
    )

    assert probe.headers["hasp-ignored-parameters"] == "max_tokens"
    assert [sent["max_output_tokens"] for sent in sandbox_server.bodies()] == [16]


async def test_a_tool_that_the_vendor_runs_is_named_in_the_refusal(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.PermissionDeniedError) as refused:
        await ask(client, "Hello", tools=[{"type": "web_search_20250305", "name": "web_search"}])

    error = cast("Json", refused.value.body)["error"]
    assert error["hasp_code"] == "FEATURE_NOT_HIPAA_ELIGIBLE"
    assert error["hasp_details"] == {"feature": "web_search", "param": "tools[0].type"}
    assert "`web_search`" in error["message"]


async def test_phi_in_an_example_of_a_tools_input_is_an_error_of_the_tool(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as refused:
        await ask(client, "Hello", tools=[FIND | {"input_examples": [{"who": f"{PATIENT}, SSN 917-44-8123"}]}])

    error = cast("Json", refused.value.body)["error"]
    assert (error["hasp_code"], error["param"]) == ("PHI_IN_TOOL_SCHEMA", "tools[0].input_examples[0]")


async def test_openais_sdk_lists_the_models_too(gateway_server: GatewayServer) -> None:
    async with openai.AsyncOpenAI(api_key=gateway_server.live_key, base_url=f"{gateway_server.url}/v1") as gpt:
        listed = await gpt.models.list()
        one = await gpt.models.retrieve(CLAUDE)

    assert listed.object == "list"
    assert {CLAUDE, GPT} <= {model.id for model in listed.data}
    assert all(model.object == "model" and model.created >= 0 for model in listed.data)
    assert (one.id, one.owned_by) == (CLAUDE, "anthropic")


async def test_the_models_have_every_field_that_anthropics_sdk_declares(client: anthropic.AsyncAnthropic) -> None:
    listed = [model async for model in client.models.list()]

    assert {CLAUDE, GPT} <= {model.id for model in listed}
    assert all(set(anthropic.types.ModelInfo.model_fields) <= model.model_fields_set for model in listed)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_native_surface_loses_no_citation(gateway_server: GatewayServer, stream: bool) -> None:
    document = NOTE | {"citations": {"enabled": True}}
    content = [document, {"type": "text", "text": "Summarize"}]
    body = {"model": CLAUDE, "messages": [{"role": "user", "content": content}], "stream": stream}

    reply = await gateway_server.post("/v1/ai/chat", body)

    if stream:
        (message,) = (event.data["data"]["message"] for event in reply.events if event.name == "message.completed")
    else:
        message = reply.json()["data"]["message"]
    assert [cite["type"] for block in message["blocks"] for cite in block.get("citations", ())] == ["char_location"]


async def test_the_native_surface_says_why_a_model_refused(gateway_server: GatewayServer) -> None:
    said = "[[sandbox: stop=refusal; category=bio]] No"

    reply = await gateway_server.post("/v1/ai/chat", {"model": CLAUDE, "message": said, "stream": False})

    message = orjson.loads(reply.body)["data"]["message"]
    assert (message["stop_reason"], message["stop_details"]["category"]) == ("refusal", "bio")
