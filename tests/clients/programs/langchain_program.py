"""LangChain's ChatAnthropic, with only base URL and key changed. Facts come in and outcomes go out as JSON."""

# pyright: basic, reportMissingImports=false

import json
import sys
from collections.abc import Callable
from typing import Any

import anthropic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

Json = dict[str, Any]

FACTS: Json = json.load(sys.stdin)
SCHEMA: Json = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}
TOOL: Json = {"name": "find_slot", "description": "Finds a free appointment.", "input_schema": SCHEMA}

FAILING = "claude-sonnet-4-6"
"""A model of its own for the vendor's failures, which count against it."""


def chat(key: str = FACTS["key"], model: str = "claude-haiku-4-5", **more: Any) -> ChatAnthropic:
    return ChatAnthropic(model=model, base_url=FACTS["base_url"], api_key=key, max_tokens=4000, max_retries=0, **more)


def plain() -> Json:
    answer = chat().invoke("Hello there")
    return {"said": answer.text, "usage": answer.usage_metadata, "stop": answer.response_metadata["stop_reason"]}


def streamed() -> Json:
    chunks = list(chat().stream("One two three"))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return {"pieces": [chunk.text for chunk in chunks if chunk.text], "usage": whole.usage_metadata}


def tools(model: str = "claude-haiku-4-5") -> Json:
    bound = chat(model=model).bind_tools([TOOL])
    asked = HumanMessage("[[sandbox: tool=find_slot; tools=2]] Tuesday")
    first = bound.invoke([asked])
    results = [ToolMessage(f"{call['args']['day']}: nine", tool_call_id=call["id"]) for call in first.tool_calls]
    second = bound.invoke([asked, first, *results])
    return {"inputs": [call["args"] for call in first.tool_calls], "said": second.text}


def thinking() -> Json:
    deep = chat(thinking={"type": "enabled", "budget_tokens": 1024})
    asked = HumanMessage("[[sandbox: thinking=on]] Why?")
    first: AIMessage = deep.invoke([asked])
    second = deep.invoke([asked, first, HumanMessage("And then?")])
    return {"blocks": [block["type"] for block in first.content if isinstance(block, dict)], "said": second.text}


def structured() -> Json:
    schema = {"title": "Trip", "description": "A trip.", **SCHEMA}
    return chat().with_structured_output(schema, method="json_schema").invoke("Friday")


def restored() -> list[str]:
    return [chat().invoke(FACTS["note"]).text, "".join(chunk.text for chunk in chat().stream(FACTS["note"]))]


SCENARIOS: dict[str, Callable[[], object]] = {
    "plain": plain,
    "streamed": streamed,
    "tools": tools,
    "tools_of_gpt": lambda: tools("gpt-5.4-mini"),
    "thinking": thinking,
    "structured": structured,
    "counted": lambda: chat().get_num_tokens_from_messages([HumanMessage("Hello")]),
    "gpt": lambda: chat(model="gpt-5.4-mini").invoke("Hello there").text,
    "restored": restored,
    "unknown_key": lambda: chat(FACTS["unknown_key"]).invoke("Hello").text,
    "no_agreement": lambda: chat(FACTS["unsigned_key"]).invoke("Hello").text,
    "vendor_failed": lambda: chat(model=FAILING).invoke("[[sandbox: error=500]]").text,
    "broken_stream": lambda: len(list(chat(model=FAILING).stream("[[sandbox: error_after=2]] a b c d"))),
}


def outcome(scenario: Callable[[], object]) -> Json:
    try:
        return {"answer": scenario()}
    except anthropic.APIError as error:
        classes = [kind.__name__ for kind in type(error).__mro__]
        return {"raised": {"classes": classes, "message": str(error), "status": getattr(error, "status_code", None)}}
    except Exception as error:  # noqa: BLE001 - the test says what it should have been
        return {"raised": {"classes": [type(error).__name__], "message": str(error)}}


json.dump({name: outcome(scenario) for name, scenario in SCENARIOS.items()}, sys.stdout)
