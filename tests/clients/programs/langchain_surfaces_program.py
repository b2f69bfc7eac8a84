"""LangChain's ChatOpenAI at `/v1/openai` and ChatAnthropic at `/v1/anthropic`, and LiteLLM at both."""

# pyright: basic, reportMissingImports=false

import json
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch prices otherwise

import litellm
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

Json = dict[str, Any]

FACTS: Json = json.load(sys.stdin)
OPENAI = f"{FACTS['base_url']}/v1/openai"
ANTHROPIC = f"{FACTS['base_url']}/v1/anthropic"
GPT, CLAUDE = "gpt-5.4-mini", "claude-haiku-4-5"
FIRST, SECOND, LAST = "[[sandbox: tool=find_slot]] Tuesday", "[[sandbox: tool=find_slot; words=Friday]]", "nine"
SCHEMA: Json = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
CHATTED: Json = {"type": "function", "function": {"name": "find_slot", "description": "Finds.", "parameters": SCHEMA}}
CALLED: Json = {"type": "function", "name": "find_slot", "description": "Finds.", "parameters": SCHEMA}

litellm.telemetry = False
litellm.suppress_debug_info = True


def openai(key: str = FACTS["key"], **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=GPT, base_url=OPENAI, api_key=key, max_retries=0, **more)


CHATS: dict[str, BaseChatModel] = {
    "responses": openai(use_responses_api=True),
    "chat": openai(stream_usage=True),
    "anthropic": ChatAnthropic(model=CLAUDE, base_url=ANTHROPIC, api_key=FACTS["key"], max_tokens=4000, max_retries=0),
}


def said(chat: BaseChatModel) -> Json:
    answer = chat.invoke("Hello there")
    chunks = list(chat.stream("One two three"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    usage = [answer.usage_metadata["output_tokens"], (whole.usage_metadata or {}).get("output_tokens")]
    return {"said": answer.text, "streamed": whole.text, "usage": usage}


def looped(chat: BaseChatModel) -> Json:
    bound = chat.bind_tools([CHATTED])
    messages: list[Any] = [HumanMessage(FIRST)]
    inputs = []
    for result in (SECOND, LAST):
        answer = bound.invoke(messages)
        inputs += [call["args"]["day"] for call in answer.tool_calls]
        messages += [answer, *(ToolMessage(result, tool_call_id=call["id"]) for call in answer.tool_calls)]
    return {"inputs": inputs, "said": bound.invoke(messages).text}


def restored(chat: BaseChatModel) -> list[str]:
    return [chat.invoke(FACTS["note"]).text, "".join(chunk.text for chunk in chat.stream(FACTS["note"]))]


LITELLM: dict[str, Json] = {
    "litellm_chat": {"model": f"openai/{GPT}", "api_base": OPENAI},
    "litellm_bridge": {"model": f"openai/responses/{GPT}", "api_base": OPENAI},
    "litellm_anthropic": {"model": f"anthropic/{CLAUDE}", "api_base": ANTHROPIC, "max_tokens": 4000},
}


def completed(where: Json, messages: list[Any], **more: Any) -> Any:
    return litellm.completion(messages=messages, api_key=FACTS["key"], num_retries=0, **where, **more)


def user(text: str) -> Json:
    return {"role": "user", "content": text}


def streamed_by_litellm(where: Json, text: str) -> str:
    chunks = completed(where, [user(text)], stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def said_by_litellm(where: Json) -> Json:
    answer = completed(where, [user("Hello there")])
    told = answer.choices[0].message.content
    streamed = streamed_by_litellm(where, "One two three")
    return {"said": told, "streamed": streamed, "usage": [answer.usage.completion_tokens, 5]}


def looped_by_litellm(where: Json) -> Json:
    messages: list[Any] = [user(FIRST)]
    inputs = []
    for result in (SECOND, LAST):
        message = completed(where, messages, tools=[CHATTED]).choices[0].message
        inputs += [json.loads(call.function.arguments)["day"] for call in message.tool_calls]
        results = [{"role": "tool", "tool_call_id": call.id, "content": result} for call in message.tool_calls]
        messages += [message.model_dump(exclude_none=True), *results]
    return {"inputs": inputs, "said": completed(where, messages, tools=[CHATTED]).choices[0].message.content}


def restored_by_litellm(where: Json) -> list[str]:
    plain = completed(where, [user(FACTS["note"])]).choices[0].message.content
    return [plain, streamed_by_litellm(where, FACTS["note"])]


def responded(text: Any, **more: Any) -> Any:
    where = {"model": f"openai/{GPT}", "api_base": OPENAI, "api_key": FACTS["key"]}
    return litellm.responses(input=text, **where, **more)


def responses_by_litellm() -> Json:
    items: list[Any] = [user(FIRST)]
    inputs = []
    for result in (SECOND, LAST):
        calls = [item for item in responded(items, tools=[CALLED]).output if item.type == "function_call"]
        inputs += [json.loads(call.arguments)["day"] for call in calls]
        items += [call.model_dump(exclude_none=True) for call in calls]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": result} for call in calls]
    return {"inputs": inputs, "said": responded(items, tools=[CALLED]).output[-1].content[0].text}


SCENARIOS: dict[str, Callable[[], object]] = {
    **{f"{name}_said": lambda chat=chat: said(chat) for name, chat in CHATS.items()},
    **{f"{name}_tools": lambda chat=chat: looped(chat) for name, chat in CHATS.items()},
    **{f"{name}_restored": lambda chat=chat: restored(chat) for name, chat in CHATS.items()},
    **{f"{name}_said": lambda where=where: said_by_litellm(where) for name, where in LITELLM.items()},
    **{f"{name}_tools": lambda where=where: looped_by_litellm(where) for name, where in LITELLM.items()},
    **{f"{name}_restored": lambda where=where: restored_by_litellm(where) for name, where in LITELLM.items()},
    "litellm_responses_tools": responses_by_litellm,
    "unknown_key": lambda: openai(FACTS["unknown_key"]).invoke("Hello").text,
}


def outcome(scenario: Callable[[], object]) -> Json:
    try:
        return {"answer": scenario()}
    except Exception as error:  # noqa: BLE001 - the test says what it should have been
        classes = [kind.__name__ for kind in type(error).__mro__]
        return {"raised": {"classes": classes, "message": str(error), "status": getattr(error, "status_code", None)}}


json.dump({name: outcome(scenario) for name, scenario in SCENARIOS.items()}, sys.stdout)
