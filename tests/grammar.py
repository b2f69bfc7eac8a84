"""Event streams as state machines: every stream of every test goes through one of these two."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.completion import parse_tool_input

Json = dict[str, Any]

_ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
_DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "tool_use": {"input_json_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set[str](),
}


@dataclass(frozen=True, slots=True)
class Event:
    name: str
    data: Json
    id: str | None = None


def read_events(body: bytes) -> list[Event]:
    """The events of a whole server-sent stream; comments are dropped."""
    events: list[Event] = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            events.append(Event(fields["event"], orjson.loads(fields["data"]), fields.get("id")))
    assert body.endswith(b"\n\n"), "the stream ends inside an event"
    return events


class MessagesGrammar:
    """Anthropic's: `message_start (start delta* stop)* message_delta message_stop`; `ping` anywhere, `error` ends."""

    def __init__(self) -> None:
        self.state = "begin"
        self.opened = -1
        self.kind = ""

    def feed(self, event: Event) -> None:
        assert event.id is None
        assert event.data["type"] == event.name
        if event.name == "ping":
            return
        assert self.state not in {"stopped", "failed"}, f"{event.name} after the end"
        getattr(self, f"_{event.name}")(event.data)

    def _message_start(self, data: Json) -> None:
        assert self.state == "begin"
        message = data["message"]
        assert re.fullmatch(f"msg_{_ULID}", message["id"])
        assert (message["type"], message["role"], message["content"]) == ("message", "assistant", [])
        assert (message["stop_reason"], message["stop_sequence"]) == (None, None)
        assert isinstance(message["usage"]["input_tokens"], int)
        assert "meta" not in message
        self.state = "between"

    def _content_block_start(self, data: Json) -> None:
        assert self.state == "between"
        self.opened += 1
        assert data["index"] == self.opened
        self.kind = data["content_block"]["type"]
        assert self.kind in _DELTAS
        assert data["content_block"].get("text", "") == ""
        assert data["content_block"].get("input", {}) == {}
        self.state = "inside"

    def _content_block_delta(self, data: Json) -> None:
        assert self.state == "inside"
        assert data["index"] == self.opened
        assert data["delta"]["type"] in _DELTAS[self.kind]

    def _content_block_stop(self, data: Json) -> None:
        assert self.state == "inside"
        assert data["index"] == self.opened
        self.state = "between"

    def _message_delta(self, data: Json) -> None:
        assert self.state == "between"
        assert data["delta"]["stop_reason"]
        assert {"input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"} <= set(
            data["usage"]
        )
        self.state = "ending"

    def _message_stop(self, data: Json) -> None:
        assert self.state == "ending"
        assert data == {"type": "message_stop"}
        self.state = "stopped"

    def _error(self, data: Json) -> None:
        assert {"type", "message"} <= set(data["error"])
        self.state = "failed"


class NativeGrammar:
    """Ours: runs begin, messages grow, usage comes last; `run.failed` ends what broke."""

    NEXT = {  # noqa: RUF012 - a table
        "begin": {"run.created"},
        "run.created": {"run.started", "run.failed"},
        "run.started": {"message.created", "run.failed"},
        "message.created": {"message.delta", "tool_call.created", "message.completed", "run.failed"},
        "message.delta": {
            "message.delta",
            "tool_call.created",
            "tool_call.completed",
            "message.completed",
            "run.failed",
        },
        "tool_call.created": {"message.delta", "tool_call.completed", "run.failed"},
        "tool_call.completed": {"message.delta", "tool_call.created", "message.completed", "run.failed"},
        "message.completed": {"usage.updated"},
        "usage.updated": {"run.completed"},
        "run.completed": set[str](),
        "run.failed": set[str](),
    }

    def __init__(self) -> None:
        self.state = "begin"
        self.ids: set[str] = set()
        self.run: Json = {}
        self.text = ""
        self.open_calls: dict[str, str] = {}

    def feed(self, event: Event) -> None:
        assert event.name in self.NEXT[self.state], f"{event.name} after {self.state}"
        self.state = event.name
        envelope = event.data
        assert set(envelope) == {"id", "object", "type", "api_version", "created", "data"}
        assert re.fullmatch(f"evt_{_ULID}", envelope["id"])
        assert envelope["id"] == event.id
        assert envelope["id"] not in self.ids
        self.ids.add(envelope["id"])
        assert (envelope["object"], envelope["type"]) == ("event", event.name)
        assert envelope["api_version"] == "2026-04-01"
        assert isinstance(envelope["created"], int)
        getattr(self, f"_{event.name.replace('.', '_')}")(envelope["data"])

    def _run_created(self, data: Json) -> None:
        assert re.fullmatch(f"req_{_ULID}", data["request_id"])
        assert data["run_id"].removeprefix("run_") == data["request_id"].removeprefix("req_")
        self.run = data

    def _run_started(self, data: Json) -> None:
        assert {key: data[key] for key in ("run_id", "request_id", "message_id")} == {
            key: self.run[key] for key in ("run_id", "request_id", "message_id")
        }
        assert data["model"]

    def _message_created(self, data: Json) -> None:
        assert data == {"message": {"id": self.run["message_id"], "role": "assistant"}}

    def _message_delta(self, data: Json) -> None:
        assert data["message_id"] == self.run["message_id"]
        delta = data["delta"]
        if delta["type"] == "text":
            self.text += delta["text"]
        elif delta["type"] == "tool_input":
            self.open_calls[delta["tool_call_id"]] += delta["partial_json"]
        else:
            assert delta["type"] == "thinking"

    def _tool_call_created(self, data: Json) -> None:
        self.open_calls[data["tool_call"]["id"]] = ""
        assert data["tool_call"]["name"]

    def _tool_call_completed(self, data: Json) -> None:
        streamed = self.open_calls.pop(data["tool_call"]["id"])
        assert parse_tool_input(streamed) == data["tool_call"]["input"]

    def _message_completed(self, data: Json) -> None:
        assert not self.open_calls
        assert data["message"]["id"] == self.run["message_id"]
        assert data["message"]["content"] == self.text
        assert data["message"]["stop_reason"]

    def _usage_updated(self, data: Json) -> None:
        assert data["usage"]["sonnet_equivalent_tokens"] >= 0

    def _run_completed(self, data: Json) -> None:
        assert data == {"run_id": self.run["run_id"], "status": "completed"}

    def _run_failed(self, data: Json) -> None:
        assert data["run_id"] == self.run["run_id"]
        assert {"code", "type", "message", "retryable", "request_id"} <= set(data["error"])


def assert_messages_stream(events: Sequence[Event], *, fails: bool = False) -> None:
    """Whole and in order; `fails`: ended by `error`."""
    grammar = MessagesGrammar()
    for event in events:
        grammar.feed(event)
    assert grammar.state == ("failed" if fails else "stopped")


def assert_native_stream(events: Sequence[Event], *, fails: bool = False) -> None:
    """Whole and in order; `fails`: ended by `run.failed`."""
    grammar = NativeGrammar()
    for event in events:
        grammar.feed(event)
    assert grammar.state == ("run.failed" if fails else "run.completed")
