from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from gateway.settings import Settings
from storage import Storage
from tests.activities.conftest import SetClock

FIRST = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(FIRST)


@pytest_asyncio.fixture
async def storage(settings: Settings, clock: SetClock) -> AsyncIterator[Storage]:
    """As it is at the clock's time."""
    opened = await Storage.open(settings, clock=clock)
    yield opened
    await opened.close()
