"""Identifiers as people and programs write them, put into requests and looked for where they must not be."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from tests.e2e.openai_shapes import CHAT, RESPONSES
from tests.e2e.request_shapes import Object, Slot
from tests.e2e.tapped_gateway import Reply

CLAUDE, GPT = MODELS = ("claude-haiku-4-5", "gpt-5.4-mini")

NAME = "Wilhelmina Featherstonehaugh"
KNOWN = f"Patient {NAME}, SSN 917-44-8123, was seen."
NOTE = f"Patient {NAME}, SSN 917-44-8123, MRN: 55501234, e-mail w.featherstonehaugh@example.org, seen today."
FORMS = {
    "note": NOTE,
    "number": "917-44-8123",
    "e-mail": "wilhelmina.featherstonehaugh@example.org",
    "record number": "MRN: 55501234",
    "sentence": f"I saw {NAME} this morning.",
    "link": "https://example.com/patients/Wilhelmina-Featherstonehaugh?ssn=917-44-8123",
    "data link": "data:text/plain,Wilhelmina%20Featherstonehaugh%20917-44-8123",
    "file name": "Featherstonehaugh_Wilhelmina_917-44-8123.pdf",
    "identifier": "lookup_Wilhelmina_Featherstonehaugh",
    "camel case": "lookupWilhelminaFeatherstonehaugh",
}
OF_A_KNOWN_PATIENT = {"identifier", "camel case"}
"""Forms that only someone who knows the name can read one in."""

SEALS = (
    NOTE,
    FORMS["identifier"],
    "rs_917448123",
    "rs_WilhelminaFeatherstonehaugh",
    "Wilhelmina-Featherstonehaugh-917-44-8123-and-some-more-words",
)
TELLS = ("featherstonehaugh", "wilhelmina", "917-44-8123", "917448123", "55501234")
"""What gives a canary away, in lower case."""

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")

PLACEHOLDER = re.compile(r"\[[A-Z]+_[0-9]+\]")
SPOKEN = (".message", "<user>.content", "<user>.content[]<text>.text")


@dataclass(frozen=True, slots=True)
class Case:
    slot: Slot
    canary: str
    body: Object

    @property
    def request(self) -> tuple[str, Object]:
        return self.slot.shape.path, self.body

    def wrongs(self, reply: Reply) -> Iterator[str]:
        """What `reply` does that it must not."""
        if reply.status >= 500:
            yield f"{self.slot}: {reply.status} for {self.canary}"
        if tell_in(reply.headers):
            yield f"{self.slot}: a header quotes {self.canary}"
        if reply.status == 200:
            yield from self._wrong_answers(reply)
            return
        error = orjson.loads(reply.body)
        told = {"type", "message"} if self._is_lenient else {"type", "code", "message"}
        if error.get("success") or not told <= error["error"].keys():
            yield f"{self.slot}: {reply.body} is no error of ours"
        if tell_in(reply.body):
            yield f"{self.slot}: the error quotes {self.canary}: {reply.body}"

    def _wrong_answers(self, reply: Reply) -> Iterator[str]:
        if self.slot.is_fixed and not (self.slot.is_key and self._is_lenient):
            yield f"{self.slot}: takes {self.canary}, which its schema does not list"
        if PLACEHOLDER.search(reply.words()):
            yield f"{self.slot}: not restored: {reply.words()}"
        if self._is_spoken and self.canary not in reply.words():
            yield f"{self.slot}: {self.canary} came back as {reply.words()}"

    @property
    def _is_lenient(self) -> bool:
        """Whether the route speaks to another vendor's clients: in their words, and ignoring what is not declared."""
        return self.slot.shape.path.startswith(("/v1/anthropic/", "/v1/openai/"))

    @property
    def _is_spoken(self) -> bool:
        """Whether the sandbox repeats it."""
        return self.slot.name.endswith(SPOKEN) and not self.slot.shape.path.endswith("count_tokens")


def asked(path: str, number: int, model: str, *, stream: bool = False) -> Object:
    """What a request asks beside its shape. `max_tokens` tells it from the others where it is overheard."""
    if path.endswith("count_tokens"):
        return {"model": model}
    if path == RESPONSES:
        return {"model": model, "max_output_tokens": 10_000 + number, "stream": stream}
    return {"model": model, "max_tokens": 10_000 + number, "stream": stream}


def cases(slots: Iterable[Slot], canary: str, *, turn: int = 0, introduced: bool = False) -> list[Case]:
    """Each slot with `canary`; `introduced` by a system prompt that says who the patient is.

    Four successive turns bring a slot to both vendors, streamed and not.
    """
    made: list[Case] = []
    for number, slot in enumerate(slots):
        text = canary
        model, stream = MODELS[(number + turn) % 2], (number // 2 + turn // 2) % 2 == 0
        given = asked(slot.shape.path, number, model, stream=stream)
        if introduced and slot.steps[:1] in {("system",), ("instructions",)}:
            text = f"{KNOWN} {canary}"
        elif introduced:
            given |= _introduction(slot)
        body = slot.filled(text, given)
        if introduced and slot.shape.path == CHAT:
            body["messages"].insert(0, {"role": "system", "content": KNOWN})
        made.append(Case(slot, canary, body))
    return made


def _introduction(slot: Slot) -> Object:
    """Who the patient is, where the shape does not say something there itself."""
    if slot.shape.path == CHAT:
        return {}
    name = "instructions" if slot.shape.path == RESPONSES else "system"
    return {name: KNOWN} if slot.steps[:1] != (name,) else {}


def tell_in(text: str) -> str | None:
    """The first sign of a canary, however `text` writes it."""
    plain = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), unquote(text)).casefold()
    return next((tell for tell in TELLS if tell in plain), None)


def leaks(heard: Iterable[str], tried: Iterable[Case]) -> list[str]:
    """What the provider heard of canaries, and from which slot."""
    limits = ("max_tokens", "max_output_tokens")
    slots = {case.body[limit]: case.slot for case in tried for limit in limits if limit in case.body}
    found: list[str] = []
    for request in heard:
        if tell := tell_in(request):
            body = orjson.loads(request[request.index("\n{") :])
            slot = slots.get(body.get("max_tokens", body.get("max_output_tokens")), "a count")
            at = max(request.casefold().find(tell) - 100, 0)
            found.append(f"{slot}: {body['model']} heard {request[at : at + 160]!r}")
    return found
