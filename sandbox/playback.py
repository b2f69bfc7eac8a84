"""Sends an answer at the pace, and to the end, that its directives ask for."""

import asyncio
from dataclasses import replace

import orjson

from sandbox.bill import Bill
from sandbox.caller import Caller
from sandbox.faults import Break
from sandbox.wire import Answer, json_headers, start

# Frames between two looks at whether the caller is still there, when nothing else makes the loop turn.
_FRAMES_A_TURN = 256


async def play(answer: Answer, broken: Break | None, caller: Caller, bill: Bill) -> bool:
    """False when the caller hung up before the end. Raises `RefusedError` where only an error status can tell."""
    if await caller.leaves_within(answer.directives.first_delay_ms):
        return False
    if answer.whole is None:
        return await _play_frames(answer, broken, caller, bill)
    if broken is not None and broken.kind == "error":
        raise answer.refuse(answer.failure_status, retry_after=answer.directives.retry_after)
    content = orjson.dumps(answer.whole)
    await start(caller.send, 200, json_headers(content) | dict(answer.headers))
    if broken is not None:
        await caller.send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
        return await _break_off(broken, answer, caller)
    if answer.charge is not None:
        bill.add(answer.charge)
    await caller.send({"type": "http.response.body", "body": content})
    return True


async def _play_frames(answer: Answer, broken: Break | None, caller: Caller, bill: Bill) -> bool:
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **answer.headers}
    await start(caller.send, 200, headers)
    deltas = said = 0
    for number, frame in enumerate(answer.frames):
        if number % _FRAMES_A_TURN == 0:
            await asyncio.sleep(0)
        is_delta = frame.said is not None
        if broken is not None and (frame.closing or (is_delta and deltas == broken.after)):
            return await _break_off(broken, answer, caller)
        if await caller.leaves_within(answer.directives.delay_ms if is_delta and deltas else 0):
            _bill_what_was_said(answer, said, bill)
            return False
        if frame.closing and answer.charge is not None:
            bill.add(answer.charge)
            answer = replace(answer, charge=None)
        deltas += is_delta
        said += frame.said or 0
        await caller.send({"type": "http.response.body", "body": frame.data, "more_body": True})
    await caller.send({"type": "http.response.body", "body": b""})
    return True


def _bill_what_was_said(answer: Answer, said: int, bill: Bill) -> None:
    if answer.charge is not None:
        bill.add(replace(answer.charge, output=answer.unseen - (-said // 4), ending="left"))


async def _break_off(broken: Break, answer: Answer, caller: Caller) -> bool:
    """Afterwards the server closes the connection under an answer that never said it ended."""
    if broken.kind == "error":
        await caller.send({"type": "http.response.body", "body": answer.failure})
    elif broken.kind == "stall":
        return not await caller.hear_nothing()
    return True
