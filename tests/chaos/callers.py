"""Callers of every kind, each drawn from the seed: plain and streamed, patient and gone, of both vendors.

No two calls of one model use the same count of input and output tokens, so a
line of the vendor's bill is the line of one call.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import aiohttp
import orjson

from gateway.ids import find_ulid
from sandbox.bill import LIMIT
from tests.chaos.history import Asked, History, Outcome, again

MODELS: Final = ("claude-haiku-4-5", "gpt-5.4-mini")
MAX_TOKENS: Final = 60_000
"""So much more is held than is used that what was used changes little of how many fit under a cap."""
MOST_CALLS: Final = LIMIT - 1_000
"""The sandbox's bill keeps no more."""

_ANSWERS: Final = 60
"""Different lengths of answers, in frames; where they are the same, what was asked has another length."""
_PATIENCE_S: Final = 60.0
_PATIENCE_WITH_A_KEY_S: Final = 8.0
"""Whoever may ask again does, while what is frozen still is."""
_HANGS_UP, _FAULTY, _KEYED, _DOUBLED = 0.1, 0.05, 0.3, 0.1
"""Shares of calls; of those under an idempotency key, that are sent twice at once."""
_TRIES: Final = 20
"""What a dead process has begun is known as lost after a dozen seconds."""
_PAUSES_S: Final = {Outcome.OK: (0.0, 0.1), Outcome.FAILED: (0.2, 1.0), Outcome.UNKNOWN: (0.5, 1.5)}
_NO_DIGITS: Final = str.maketrans("0123456789", "bdfghklmnp")


@dataclass(frozen=True, slots=True)
class Party:
    """Callers of one key."""

    organization: str
    key: str
    token: str
    callers: int


class Callers:
    """All parties at once, each caller one call after another at any of `urls`, until they are told to stop."""

    def __init__(self, urls: Sequence[str], history: History, *, seed: int) -> None:
        self._urls = urls
        self._history = history
        self._seed = seed
        self._numbers = itertools.count()
        self._stopping = asyncio.Event()

    async def call(self, parties: Sequence[Party]) -> None:
        """Returns when each has had the answer to its last call, or has given up on it."""
        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            everybody = [party for party in parties for _ in range(party.callers)]
            await asyncio.gather(*(self._go_on(session, place, party) for place, party in enumerate(everybody)))

    def stop(self) -> None:
        self._stopping.set()

    async def _go_on(self, session: aiohttp.ClientSession, place: int, party: Party) -> None:
        random = Random(f"caller {place} of {self._seed}")
        await asyncio.sleep(random.uniform(0, 1))
        while not self._stopping.is_set() and (number := next(self._numbers)) < MOST_CALLS:
            call = Asked(
                number=number,
                keyed=random.random() < _KEYED,
                organization=party.organization,
                key=party.key,
                model=MODELS[number % len(MODELS)],
                streamed=random.random() < 0.5,
                hangs_up=random.random() < _HANGS_UP,
            )
            await self._pursue(session, call, party.token, random)

    async def _pursue(self, session: aiohttp.ClientSession, call: Asked, token: str, random: Random) -> None:
        """Ask, and where that may be done safely, ask again until there is an answer; now and then twice at once."""
        body = _body(call, random)
        at_once = [replace(call)] if call.keyed and random.random() < _DOUBLED else []
        await asyncio.gather(*(self._ask(session, each, token, body, random) for each in (call, *at_once)))
        for _ in range(_TRIES):
            await asyncio.sleep(random.uniform(*_PAUSES_S[call.outcome]))
            if not call.is_worth_another or self._stopping.is_set():
                return
            call = again(call)
            await self._ask(session, call, token, body, random)

    async def _ask(self, session: aiohttp.ClientSession, call: Asked, token: str, body: bytes, random: Random) -> None:
        self._history.calls.append(call)
        url = f"{random.choice(self._urls)}/v1/messages"
        headers = {"x-api-key": token, **({"idempotency-key": f"call-{call.number}"} if call.keyed else {})}
        patience = _PATIENCE_WITH_A_KEY_S if call.keyed else _PATIENCE_S
        try:
            async with (
                asyncio.timeout(random.uniform(0.01, 1) if call.hangs_up else patience),
                session.post(url, data=body, headers=headers) as answer,
            ):
                call.status = answer.status
                call.inference = find_ulid(answer.headers.get("request-id", ""), "req_")
                _learn(call, await answer.read())
        except aiohttp.ClientConnectorError:
            call.outcome = Outcome.FAILED  # nobody was there
        except (aiohttp.ClientError, TimeoutError):
            pass


def _body(call: Asked, random: Random) -> bytes:
    asked = call.number // len(MODELS)
    directives = (
        f"frames={1 + asked % _ANSWERS:03}; first_delay_ms={random.randint(0, 400):03}; delay_ms={random.randint(0, 9)}"
    )
    if random.random() < _FAULTY:
        directives += "; script=529,ok; retry_after=0"
    nonce = f"{call.number:06}".translate(_NO_DIGITS)
    # Of one width whatever it holds: only the words after it make what is asked longer, a token each.
    text = f"[[sandbox: {directives:90}]] {nonce} {'and ' * (asked // _ANSWERS)}so on"
    return orjson.dumps(
        {
            "model": call.model,
            "max_tokens": MAX_TOKENS,
            "stream": call.streamed,
            "messages": [{"role": "user", "content": text}],
        }
    )


def _learn(call: Asked, body: bytes) -> None:
    """What the whole of an answer says. Raises where it is none of ours."""
    if call.status != 200:
        error = orjson.loads(body)["error"]
        call.code = error["hasp_code"]
        call.outcome = Outcome.UNKNOWN if call.status >= 500 else Outcome.FAILED
    elif call.streamed:
        _learn_stream(call, body)
    else:
        _learn_message(call, orjson.loads(body))


def _learn_message(call: Asked, message: dict[str, Any]) -> None:
    call.inference = find_ulid(message["id"], "msg_")
    call.input_tokens, call.output_tokens = message["usage"]["input_tokens"], message["usage"]["output_tokens"]
    call.outcome = Outcome.OK


def _learn_stream(call: Asked, body: bytes) -> None:
    for line in body.splitlines():
        if not line.startswith(b"data: "):
            continue
        data = orjson.loads(line.removeprefix(b"data: "))
        match data["type"]:
            case "message_start":
                call.inference = find_ulid(data["message"]["id"], "msg_")
            case "message_delta":
                call.input_tokens = data["usage"]["input_tokens"]
                call.output_tokens = data["usage"]["output_tokens"]
            case "message_stop":
                call.outcome = Outcome.OK
            case "error":
                call.code = data["error"]["hasp_code"]
            case _:
                pass
