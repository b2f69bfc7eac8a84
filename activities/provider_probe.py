"""Upkeep of what is known about providers."""

from dataclasses import dataclass

from temporalio import activity

from activities.surface import surfaced
from gateway.clock import Clock
from gateway.providers.probe import ProviderProbe
from gateway.routing.health import Observed
from gateway.routing.status import KEPT
from gateway.routing.tally import Outcome, Tally
from storage.stores.provider_health import ProviderHealth


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """How many providers were asked, how many of them answered, and how many old minutes were forgotten."""

    probed: int
    answered: int
    forgotten: int


class ProviderProbeActivities:
    def __init__(self, probe: ProviderProbe, health: ProviderHealth, clock: Clock) -> None:
        self._probe = probe
        self._health = health
        self._clock = clock

    @activity.defn(name="provider.probe")
    @surfaced
    async def probe(self) -> ProbeReport:
        """Ask every provider once, keep what came of it, forget what is older than a day.

        A second run in the same minute takes the first one's place.
        """
        probed = await self._probe.probe()
        now = self._clock.now()
        minute = now.replace(second=0, microsecond=0)
        await self._health.put_probes(
            [Observed(minute, each.provider, "", Tally.of(each.outcome, each.latency_ms)) for each in probed]
        )
        forgotten = await self._health.forget(before=now - KEPT)
        return ProbeReport(len(probed), sum(each.outcome is Outcome.OK for each in probed), forgotten)
