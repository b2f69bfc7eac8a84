"""Whether a provider answers at all: its list of models, asked for without waiting long and not read."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import aiohttp

from gateway.catalog import Catalog, Dialect, ProviderSpec
from gateway.providers.registry import stand_in
from gateway.routing.tally import Outcome

LIMIT_S = 5.0
# What each dialect asks for beside the key; https://docs.claude.com/en/api/versioning.
_ASKED_FOR: Mapping[Dialect, Mapping[str, str]] = {Dialect.ANTHROPIC: {"anthropic-version": "2023-06-01"}}
_BUSY = frozenset({429, 529})
_UNAUTHENTICATED = 401


@dataclass(frozen=True, slots=True)
class Probed:
    provider: str
    outcome: Outcome
    latency_ms: float


class ProviderProbe:
    """Asks every provider that the catalog has at the time; `sandbox_url` stands in for one that lacks its key."""

    def __init__(self, catalog: Catalog, sandbox_url: str | None) -> None:
        self._catalog = catalog
        self._sandbox_url = sandbox_url

    async def probe(self) -> list[Probed]:
        """One result each, within `LIMIT_S`. A provider that nobody answers for is left out."""
        # Connections of its own each time: what is probed is whether one can be made, too.
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=LIMIT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "hasp"},
            trust_env=False,
        ) as session:
            return [*await asyncio.gather(*(_probed(session, *target) for target in self._targets()))]

    def _targets(self) -> Iterator[tuple[str, ProviderSpec]]:
        for spec in self._catalog.providers:
            if spec.is_configured:
                yield spec.id, spec
            elif self._sandbox_url is not None:
                yield spec.id, stand_in(spec.dialect, self._sandbox_url)


def outcome_of(status: int) -> Outcome:
    """What a status says of calls to come.

    Any other 4xx is an answer: a server may have no list of models, and a key
    may be for inference only. A key that is not known, or a place that has
    moved, fails every call.
    """
    if status in _BUSY:
        return Outcome.BUSY
    if status == _UNAUTHENTICATED or not (200 <= status < 300 or 400 <= status < 500):
        return Outcome.FAILED
    return Outcome.OK


async def _probed(session: aiohttp.ClientSession, provider: str, spec: ProviderSpec) -> Probed:
    headers = {**spec.key_headers, **_ASKED_FOR.get(spec.dialect, {})}
    begun = time.monotonic()
    try:
        async with session.get(spec.url("/models"), headers=headers, allow_redirects=False) as answer:
            outcome = outcome_of(answer.status)
            # Its body may never end.
            answer.close()
    except TimeoutError:
        outcome = Outcome.TIMEOUT
    except (aiohttp.ClientError, OSError, ValueError):
        outcome = Outcome.FAILED
    return Probed(provider, outcome, (time.monotonic() - begun) * 1000)
