"""The native stream: one JSON object a line, each with a `type` and a `message` (spec, hatz 6.4, U14)."""

from collections.abc import Sequence
from typing import Any, assert_never

import orjson

from api.harness import answer
from api.harness.envelope import HARNESS
from gateway.errors import GatewayError
from gateway.harness.events import Answered, Called, Ended, HarnessEvent, Said, Thought

CONTENT_TYPE = b"application/x-ndjson"


class Lines:
    """Renders one run's events."""

    keep_alive = b"\n"

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id

    def opening(self) -> bytes:
        return b""

    def render(self, events: Sequence[HarnessEvent]) -> bytes:
        return b"".join(map(self._line, events))

    def failure(self, error: GatewayError) -> bytes:
        told = HARNESS.body(error, self._request_id)
        return _line("error", error.text, error=told["error"], request_id=self._request_id)

    def _line(self, event: HarnessEvent) -> bytes:
        match event:
            case Said(text):
                return _line("content", text)
            case Thought(text):
                return _line("thinking", text)
            case Called(use, name):
                return _line("tool_call", name, name=name, id=use)
            case Answered(use, name, is_error):
                return _line("tool_result", "failed" if is_error else "done", name=name, id=use, is_error=is_error)
            case Ended():
                used = _line("usage", "", usage=answer.usage(event), meta=answer.meta(event, self._request_id))
                reason = answer.finish_reason(event.stop_reason)
                return used + _line("done", reason, finish_reason=reason, model=event.model)
            case _:
                assert_never(event)


def _line(kind: str, message: str, **fields: Any) -> bytes:  # noqa: ANN401 - any JSON value
    return orjson.dumps({"type": kind, "message": message, **fields}) + b"\n"
