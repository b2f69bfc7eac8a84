"""A machine whose clock is wrong: what it would audit could never be proven, so it is not ready and seals nothing."""

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway.clock import SystemClock
from gateway.settings import Settings
from storage import Storage
from storage.audit_keys import signing_key
from storage.sequencer import Sequencer
from tests.storage.test_access import eventually
from tests.tenants import make_tenant


class Wrong(SystemClock):
    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


WRONG = [timedelta(minutes=-2), timedelta(minutes=2), timedelta(days=400)]


@pytest.mark.parametrize("by", WRONG)
async def test_a_process_whose_clock_is_wrong_is_not_ready(settings: Settings, by: timedelta) -> None:
    storage = await Storage.open(settings, clock=Wrong(by))

    health = await storage.health()

    await storage.close()
    assert (health["database"], health["clock"]) == (True, False)


async def test_a_clock_a_little_off_will_do(settings: Settings) -> None:
    storage = await Storage.open(settings, clock=Wrong(timedelta(seconds=30)))

    health = await storage.health()

    await storage.close()
    assert health["clock"]


@pytest.mark.parametrize("by", WRONG)
async def test_a_sequencer_whose_clock_is_wrong_leaves_the_sealing_to_others(storage: Storage, by: timedelta) -> None:
    await make_tenant(storage)
    key = signing_key(storage.keyring.audit)
    wrong, right = Sequencer(storage.pool, Wrong(by), key), Sequencer(storage.pool, SystemClock(), key)

    async def has_looked() -> bool:
        return not wrong.in_step

    sealing = asyncio.create_task(wrong.run())
    await eventually(has_looked, within_s=5)
    sealing.cancel()
    await asyncio.gather(sealing, return_exceptions=True)

    assert await right.seal() > 0
