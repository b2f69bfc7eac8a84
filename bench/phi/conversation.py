"""What a long conversation costs the guard: the same new text as turn 1 and as turn 20, and the turns before it."""

import gc
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.phi.cost import texts
from bench.phi.samples import Sample
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.ids import OrganizationId
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.phi.verdicts import Verdicts
from gateway.tenancy import Access, KeyMode, Policy, Principal, Scope

TURNS: Final = 20
_CHARACTERS: Final = 500
_CONVERSATIONS: Final = 12
_ANSWER: Final = "Noted. What else should I know?"
_ACCESS: Final = Access(
    principal=Principal(org=OrganizationId("bench"), key=None, scopes=frozenset({Scope.AI_CHAT}), mode=KeyMode.LIVE),
    policy=Policy(),
)


@dataclass(frozen=True, slots=True)
class Turns:
    """Processor time in milliseconds, medians over conversations."""

    first: float
    """A message of 500 characters as all of a request."""
    last: float
    """The same message after 19 others and their answers, which the guard has seen."""
    known: float
    """A turn of a conversation that holds nothing new, with all that the guard does."""
    looked_up: float
    """Of that, finding the verdict by the text's keyed hash."""

    @property
    def ratio(self) -> float:
        return self.last / self.first


async def turns(samples: list[Sample], conversations: int = _CONVERSATIONS) -> Turns:
    source = texts(samples, _CHARACTERS)
    # As the API does once it is up; the lists of the rules, which it does not even load, would be looked at here.
    gc.collect()
    gc.freeze()
    each = [await _turns(list(itertools.islice(source, TURNS))) for _ in range(conversations + 1)][1:]
    return Turns(*(median(values) for values in zip(*each, strict=True)))


async def _turns(messages: Sequence[str]) -> tuple[float, float, float, float]:
    first = await _cpu_ms(_screening(Guard(RuleDetector()), messages[-1:]))
    guard = Guard(RuleDetector())
    await _screening(guard, messages[:-1])()
    last = await _cpu_ms(_screening(guard, messages))
    again = await _cpu_ms(_screening(guard, messages))
    verdicts = Verdicts(RuleDetector())
    await verdicts.of(messages, tenant="bench")
    looked_up = await _cpu_ms(lambda: verdicts.of(messages, tenant="bench"))
    return first, last, again / len(messages), looked_up / len(messages)


def _screening(guard: Guard, messages: Sequence[str]) -> Callable[[], Awaitable[object]]:
    said = [Turn("user", (Text(each),), plain=True) for each in messages]
    answered = [Turn("assistant", (Text(_ANSWER),), plain=True) for _ in messages]
    dialogue = [turn for pair in zip(said, answered, strict=True) for turn in pair][:-1]
    conversation = Conversation(tuple(dialogue), Sampling(max_tokens=1))
    return lambda: guard.screen(conversation, _ACCESS)


async def _cpu_ms(work: Callable[[], Awaitable[object]]) -> float:
    began = time.process_time()
    await work()
    return (time.process_time() - began) * 1000
