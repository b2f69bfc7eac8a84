from datetime import timedelta

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.provider_probe import ProbeReport, ProviderProbeActivities
from gateway.baa.template import Cover
from gateway.catalog import Catalog, Dialect, ProviderSpec
from gateway.providers.probe import ProviderProbe
from gateway.routing.health import Observed
from gateway.routing.status import KEPT, RECENT, Record, Source
from gateway.routing.tally import Outcome, Tally
from gateway.settings import Settings
from storage import Storage
from tests.activities.conftest import SetClock
from tests.embedded import free_port
from tests.upstream import SandboxServer


def spec(provider: str, url: str) -> ProviderSpec:
    return ProviderSpec(
        id=provider,
        display_name=provider,
        dialect=Dialect.ANTHROPIC,
        base_url=url,
        covered_by=Cover.SELF_HOSTED,
        api_key=SecretStr("sk-1"),
    )


@pytest.fixture
def probe(sandbox_server: SandboxServer) -> ProviderProbe:
    """One provider that answers, one that is gone."""
    gone = f"http://127.0.0.1:{free_port()}"
    return ProviderProbe(Catalog([], [spec("here", sandbox_server.url), spec("gone", gone)]), None)


async def records(storage: Storage, clock: SetClock) -> dict[str, Record]:
    now = clock.now()
    found = await storage.provider_health.records(recent=now - RECENT, oldest=now - KEPT)
    return {record.provider: record for record in found}


async def test_every_provider_is_asked_and_what_came_of_it_is_kept(
    storage: Storage, clock: SetClock, probe: ProviderProbe
) -> None:
    clock.advance(timedelta(seconds=40))
    activities = ProviderProbeActivities(probe, storage.provider_health, clock)

    report = await ActivityEnvironment().run(activities.probe)

    assert report == ProbeReport(probed=2, answered=1, forgotten=0)
    kept = await records(storage, clock)
    assert {name: (each.source, each.model) for name, each in kept.items()} == {
        "here": (Source.PROBE, ""),
        "gone": (Source.PROBE, ""),
    }
    assert (kept["here"].tally.ok, kept["here"].tally.attempts) == (1, 1)
    assert kept["gone"].tally == Tally.of(Outcome.FAILED)
    assert {each.newest for each in kept.values()} == {clock.now() - timedelta(seconds=40)}


async def test_run_twice_in_a_minute_it_counts_once(storage: Storage, clock: SetClock, probe: ProviderProbe) -> None:
    activities = ProviderProbeActivities(probe, storage.provider_health, clock)

    for _ in range(3):
        await ActivityEnvironment().run(activities.probe)
    in_one_minute = await records(storage, clock)
    clock.advance(timedelta(minutes=1))
    await ActivityEnvironment().run(activities.probe)

    assert in_one_minute["here"].tally.attempts == 1
    assert (await records(storage, clock))["here"].tally.attempts == 2


async def test_what_is_older_than_a_day_is_forgotten(storage: Storage, clock: SetClock, probe: ProviderProbe) -> None:
    activities = ProviderProbeActivities(probe, storage.provider_health, clock)
    for hours in (1, 24, 25):
        minute = clock.now() - timedelta(hours=hours)
        await storage.provider_health.add([Observed(minute, "here", "a-model", Tally.of(Outcome.OK, 5))])

    first = await ActivityEnvironment().run(activities.probe)
    again = await ActivityEnvironment().run(activities.probe)

    assert (first.forgotten, again.forgotten) == (1, 0)


async def test_a_database_that_is_away_is_a_reason_to_try_again(
    settings: Settings, clock: SetClock, probe: ProviderProbe
) -> None:
    nowhere = f"postgresql://hasp_app:no@127.0.0.1:{free_port()}/hasp"
    away = await Storage.open(settings.model_copy(update={"database_url": nowhere}))
    try:
        with pytest.raises(ApplicationError) as refused:
            await ActivityEnvironment().run(ProviderProbeActivities(probe, away.provider_health, clock).probe)
    finally:
        await away.close()

    assert not refused.value.non_retryable
