"""The sandbox as an ASGI application: routes, faults, and errors in the words of whose path was called."""

import os
from collections.abc import Callable, Mapping

from sandbox import anthropic, chat, control, embeddings, openai, responses
from sandbox.caller import Caller, watched
from sandbox.control import Control
from sandbox.faults import Break, Scripts, Step, break_of
from sandbox.playback import play
from sandbox.recorder import Recorded
from sandbox.wire import Answer, Receive, RefusedError, Scope, Send, read_body, send_json

Handler = Callable[[Mapping[str, str], bytes], Answer]

_ANSWERS: Mapping[str, Handler] = {
    "/v1/messages": anthropic.messages,
    "/v1/messages/count_tokens": anthropic.count_tokens,
    "/v1/responses": responses.responses,
    "/v1/responses/input_tokens": responses.count_tokens,
    "/v1/chat/completions": chat.completions,
}


class Sandbox:
    """Both vendors on one port. `record` opens the paths under `/__sandbox/`, which keep what was sent."""

    def __init__(self, *, record: bool) -> None:
        self._control = Control(on=record)
        self._scripts = Scripts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope["method"], scope["path"], scope, receive, send)

    async def _respond(self, method: str, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if path.startswith(control.PREFIX):
            await self._control.respond(method, path, receive, send)
        elif (method, path) == ("GET", "/"):
            await send_json(send, 200, {"sandbox": True})
        elif (method, path) == ("GET", "/v1/models"):
            await self._models(headers, send)
        elif (method, path) == ("POST", "/v1/embeddings"):
            await self._embeddings(headers, receive, send)
        elif method == "POST" and path in _ANSWERS:
            await self._answer(path, headers, receive, send)
        else:
            await _refuse(send, anthropic.refusal(404, "Not found"))

    async def _models(self, headers: Mapping[str, str], send: Send) -> None:
        """Both vendors list models on one path; only Anthropic's callers name a version."""
        vendor = anthropic if "anthropic-version" in headers else openai
        outage = self._control.outage
        try:
            if outage.models_route is not None:
                raise vendor.refusal(outage.models_route, "sandbox: an outage", retry_after=outage.retry_after)
            await send_json(send, 200, vendor.models(headers))
        except RefusedError as refused:
            await _refuse(send, refused)

    async def _embeddings(self, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        recorded = self._control.recorder.add("/v1/embeddings", body)
        try:
            answer = embeddings.embeddings(headers, body)
        except RefusedError as refused:
            recorded.status = refused.status
            await _refuse(send, refused)
            return
        recorded.status = 200
        await send_json(send, 200, answer, openai.answer_headers())

    async def _answer(self, path: str, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        recorded = self._control.recorder.add(path, body)
        async with watched(receive, send) as caller:
            try:
                await self._play(_ANSWERS[path](headers, body), caller, recorded)
            except RefusedError as refused:
                recorded.status = refused.status
                await _refuse(send, refused)

    async def _play(self, answer: Answer, caller: Caller, recorded: Recorded) -> None:
        step = self._step(answer)
        if step == "hang":
            recorded.hung_up = await caller.hear_nothing()
        if step in ("hang", "reset"):
            await caller.reset()
            return
        finished = await play(answer, break_of(step) or _directed_break(answer), caller, self._control.bill)
        recorded.status, recorded.hung_up = 200, not finished

    def _step(self, answer: Answer) -> Step:
        """Raises the error that an outage, the script's next step or a directive asks for, in this order."""
        outage, directives = self._control.outage, answer.directives
        down = outage.status_of(answer.model)
        if down is not None:
            raise answer.refuse(down, retry_after=outage.retry_after)
        step = self._scripts.next_step(answer.said, directives.script)
        status = step if isinstance(step, int) else directives.error if step == "ok" else None
        if status is not None:
            raise answer.refuse(status, retry_after=directives.retry_after)
        return step


def _directed_break(answer: Answer) -> Break | None:
    directives = answer.directives
    if directives.error_after is not None:
        return Break("error", directives.error_after)
    return None if directives.drop_after is None else Break("cut", directives.drop_after)


async def _refuse(send: Send, refused: RefusedError) -> None:
    await send_json(send, refused.status, refused.body, refused.headers)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def recording_is_asked_for() -> bool:
    return os.environ.get("HASP_SANDBOX_RECORD") == "1"


app = Sandbox(record=recording_is_asked_for())
