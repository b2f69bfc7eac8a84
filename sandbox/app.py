"""The sandbox as an ASGI application: routes, recording, and errors in the words of whose path was called."""

import os
from collections.abc import Callable, Mapping

from sandbox import anthropic, chat, openai, responses
from sandbox.recorder import Recorded, Recorder
from sandbox.wire import Answer, Receive, RefusedError, Scope, Send, play, read_body, send_json

Handler = Callable[[Mapping[str, str], bytes], Answer]

_ANSWERS: Mapping[str, Handler] = {
    "/v1/messages": anthropic.messages,
    "/v1/responses": responses.responses,
    "/v1/chat/completions": chat.completions,
}
_COUNT = "/v1/messages/count_tokens"
_MODELS = "/v1/models"
_REQUESTS = "/__sandbox/requests"


class Sandbox:
    """Both vendors on one port. `record` keeps request bodies for `GET /__sandbox/requests`."""

    def __init__(self, *, record: bool) -> None:
        self._recorder = Recorder(on=record)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = (scope["method"], scope["path"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] == _REQUESTS:
            await self._requests(scope["method"], send)
        elif route == ("GET", "/"):
            await send_json(send, 200, {"sandbox": True})
        elif route == ("GET", _MODELS):
            await self._refusable(send, Recorded(_MODELS, ""), lambda: _models(headers))
        elif route == ("POST", _COUNT):
            body = await read_body(receive)
            recorded = self._recorder.add(_COUNT, body)
            await self._refusable(send, recorded, lambda: anthropic.count_tokens(headers, body))
        elif scope["method"] == "POST" and scope["path"] in _ANSWERS:
            await self._answer(scope["path"], headers, receive, send)
        else:
            refused = anthropic.refusal(404, "Not found")
            await send_json(send, 404, refused.body, refused.headers)

    async def _answer(self, path: str, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        recorded = self._recorder.add(path, body)
        try:
            answer = _ANSWERS[path](headers, body)
            finished = await play(answer, receive, send)
            recorded.status, recorded.hung_up = 200, not finished
        except RefusedError as refused:
            recorded.status = refused.status
            await send_json(send, refused.status, refused.body, refused.headers)

    async def _refusable(self, send: Send, recorded: Recorded, make: Callable[[], object]) -> None:
        try:
            body = make()
            recorded.status = 200
            await send_json(send, 200, body)
        except RefusedError as refused:
            recorded.status = refused.status
            await send_json(send, refused.status, refused.body, refused.headers)

    async def _requests(self, method: str, send: Send) -> None:
        if not self._recorder.on:
            await send_json(send, 404, {"error": "start the sandbox with --record"})
        elif method == "DELETE":
            self._recorder.clear()
            await send_json(send, 200, {"requests": []})
        else:
            await send_json(send, 200, {"requests": self._recorder.listed()})


def _models(headers: Mapping[str, str]) -> object:
    """Both vendors list models on one path; only Anthropic's callers name a version."""
    return anthropic.models(headers) if "anthropic-version" in headers else openai.models(headers)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def recording_is_asked_for() -> bool:
    return os.environ.get("HASP_SANDBOX_RECORD") == "1"


app = Sandbox(record=recording_is_asked_for())
