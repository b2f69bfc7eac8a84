"""What texts mean, as vectors: two texts that speak of the same are near each other, whichever words they use.

A server of the operator's makes them. It is given nothing that the guard finds:
each text goes there with placeholders (`[NAME]`), whatever the organisation's
mode. Where that is `block`, a text with something in it does not go at all.
"""

import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from gateway.baa.template import Cover
from gateway.clock import Clock
from gateway.errors import UnavailableError
from gateway.ids import OrganizationId
from gateway.outside.configured_server import ConfiguredServer, ServerFailedError
from gateway.phi.guard import Guard
from gateway.settings import Settings
from gateway.tenancy import PhiMode, Policy

Vector = Sequence[float]
"""Of length 1: the inner product of two is the cosine between them."""

AT_ONCE: Final = 16
"""Texts of one question to the server: its answer stays below 2 MB."""
MOST_NUMBERS: Final = 4_096
"""Of a vector."""
_LONGEST: Final = 1e30
_COVER: Final = Cover.SELF_HOSTED


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of one text, as `model` has it: vectors of different models say nothing of each other."""

    model: str
    vector: Vector = field(repr=False)


class Meanings:
    """One for a process."""

    def __init__(self, server: ConfiguredServer, model: str, guard: Guard, clock: Clock) -> None:
        self.model = model
        self._server = server
        self._guard = guard
        self._clock = clock

    async def of(
        self, texts: Sequence[str], policy: Policy, *, org: OrganizationId, timeout_s: float
    ) -> Sequence[Meaning | None]:
        """Of at most `AT_ONCE` texts. None for one that must not leave, and for one that the server will not have.

        Raises `UnavailableError` while the guard or the server is away.
        """
        agreement = policy.agreement
        if agreement is None or not agreement.is_active(self._clock.now()) or _COVER not in agreement.covers:
            return [None] * len(texts)
        masked = await self._guard.masked(texts, policy.screening, org=org)
        strict = policy.phi_mode is PhiMode.BLOCK
        places = [place for place, text in enumerate(masked) if text.strip() and not (strict and text != texts[place])]
        found: dict[int, Meaning] = {}
        vectors = await self._asked([masked[place] for place in places], timeout_s) if places else ()
        for place, vector in zip(places, vectors, strict=True):
            if vector is not None:
                found[place] = Meaning(self.model, vector)
        return [found.get(place) for place in range(len(texts))]

    async def _asked(self, texts: Sequence[str], timeout_s: float) -> Sequence[Vector | None]:
        body: JsonValue = {"model": self.model, "input": [*texts], "encoding_format": "float"}
        try:
            return _vectors(await self._server.post(body, timeout_s=timeout_s), len(texts))
        except ServerFailedError as failed:
            if not failed.refused:
                raise UnavailableError(str(failed)) from None
        if len(texts) == 1:
            return (None,)
        # One that is too long for the model has the others refused with it.
        return [vector for text in texts for vector in await self._asked([text], timeout_s)]


@asynccontextmanager
async def open_meanings(settings: Settings, guard: Guard, clock: Clock) -> AsyncGenerator[Meanings | None]:
    """None where the operator has no server for it. Its connections are closed when the block ends."""
    if settings.embeddings_url is None or settings.embeddings_model is None:
        yield None
        return
    server = ConfiguredServer(settings.embeddings_url, settings.embeddings_api_key, called="embedding server")
    try:
        yield Meanings(server, settings.embeddings_model, guard, clock)
    finally:
        await server.close()


def _vectors(answer: JsonValue, count: int) -> Sequence[Vector]:
    """Those of OpenAI's `POST /v1/embeddings`, in the order of the texts. Raises `UnavailableError`."""
    data = answer.get("data") if isinstance(answer, dict) else None
    found: dict[int, Vector] = {}
    for place, each in enumerate(data if isinstance(data, list) else ()):
        if isinstance(each, dict) and isinstance(index := each.get("index", place), int):
            found[index] = _vector(each.get("embedding"))
    vectors = [found[place] for place in range(count) if place in found]
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise UnavailableError("The embedding server's answer is not of the form of an answer.")
    return vectors


def _vector(given: JsonValue) -> Vector:
    listed = given if isinstance(given, list) and 0 < len(given) <= MOST_NUMBERS else []
    numbers = [float(each) for each in listed if isinstance(each, int | float)]
    length = math.hypot(*numbers)
    if len(numbers) != len(listed) or not 0 < length < _LONGEST:
        raise UnavailableError("The embedding server's answer holds something that is no vector.")
    return [each / length for each in numbers]
