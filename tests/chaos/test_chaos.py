"""The short form of `make chaos`, and who cannot be let in any more by whichever process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.nemesis import KILLS, planned
from tests.chaos.revocation import Revoker, revoker
from tests.chaos.run import Plan, chaos

pytestmark = pytest.mark.xdist_group("chaos")

SEED = 4


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def revoking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Revoker]:
    async with revoker(tmp_path_factory.mktemp("revocation")) as made:
        yield made


@pytest.mark.timeout(300)
async def test_books_bill_and_audit_log_agree_whoever_is_killed_when(tmp_path: Path) -> None:
    result = await chaos(Plan(seed=SEED, seconds=12, callers=40, apis=2, every_s=3), tmp_path)

    assert result.violations == []
    assert {fault.kind for fault in result.faults} == set(KILLS)
    assert result.billed > 0
    assert result.samples > 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cut", [False, True], ids=["announced", "channel cut"])
async def test_a_revoked_key_is_refused_by_every_process_and_stays_so(revoking: Revoker, cut: bool) -> None:
    denials = await revoking.revoked(cut=cut)

    assert len(denials.after_s) == 4
    assert denials.relapses == 0


def test_a_seed_names_one_order_of_faults() -> None:
    plans = [planned(seed, seconds=60, apis=4, every_s=5) for seed in (1, 1, 2)]

    assert plans[0] == plans[1] != plans[2]
    assert {fault.kind for fault in plans[0][: len(KILLS)]} == set(KILLS)
