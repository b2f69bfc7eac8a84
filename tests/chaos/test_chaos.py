"""The short form of `make chaos`, and who cannot be let in any more by whichever process."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from storage import Storage
from tests.chaos.agent_cascades import CascadeChaos
from tests.chaos.agent_kill import Killer
from tests.chaos.agent_places import MOST, Places
from tests.chaos.agreement_gate import Gate
from tests.chaos.end_user_export import ExportChaos
from tests.chaos.installation import Installation, reached
from tests.chaos.nemesis import KILLS, planned
from tests.chaos.revocation import Revoker
from tests.chaos.run import Plan, chaos

pytestmark = pytest.mark.xdist_group("chaos")

SEED = 4
Installed = tuple[Installation, Storage, aiohttp.ClientSession]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installed]:
    async with reached(tmp_path_factory.mktemp("installed"), apis=4) as made:
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
async def test_a_revoked_key_is_refused_by_every_process_and_stays_so(installed: Installed, cut: bool) -> None:
    denials = await Revoker(*installed).revoked(cut=cut)

    assert len(denials.after_s) == 4
    assert denials.relapses == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cut", [False, True], ids=["announced", "channel cut"])
async def test_an_agreement_opens_every_process_and_its_end_closes_every_one(installed: Installed, cut: bool) -> None:
    seen = await Gate(*installed).opened_and_closed(cut=cut)

    assert (len(seen.opened_s), len(seen.closed_s)) == (4, 4)
    assert seen.relapses == 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cut", [False, True], ids=["announced", "channel cut"])
async def test_a_kill_ends_the_calls_of_every_process_and_each_pays_for_what_it_got(
    installed: Installed, cut: bool
) -> None:
    killed = await Killer(*installed).killed(cut=cut)

    assert [ending.is_typed for ending in killed.endings] == [True] * 16
    assert killed.charged == 16


@pytest.mark.timeout(180)
async def test_a_drained_credential_s_calls_end_by_themselves_and_those_below_are_cut(installed: Installed) -> None:
    own, below = await Killer(*installed).drained()

    assert [ending.is_whole for ending in own] == [True] * 8
    assert [ending.is_typed for ending in below] == [True] * 8


@pytest.mark.timeout(180)
async def test_all_below_a_revoked_credential_is_refused_by_every_process_and_none_of_it_is_left(
    installed: Installed,
) -> None:
    seen = await CascadeChaos(*installed).fallen(60, tried=20, kill_every_s=None, seed=SEED)

    assert (seen.never, len(seen.denied_s), seen.left) == (0, 20, 0)
    assert seen.done_s is not None


@pytest.mark.timeout(180)
async def test_processes_together_run_no_more_than_a_credential_may_and_a_dead_one_s_places_come_back(
    installed: Installed,
) -> None:
    crowd = await Places(*installed).crowded(each=3)

    assert crowd.running == MOST
    assert crowd.refused == ["TOO_MANY_INVOCATIONS"] * 9
    assert crowd.again == MOST
    assert crowd.refused_again == ["TOO_MANY_INVOCATIONS"] * 3


@pytest.mark.timeout(180)
async def test_an_export_of_a_person_is_the_same_whether_or_not_its_worker_was_killed(
    installed: Installed, tmp_path: Path
) -> None:
    result = await ExportChaos(*installed).exported(20_000, kills=1, folder=tmp_path)

    assert result.violations == []
    assert result.kills == 1
    assert result.records >= 20_000


def test_a_seed_names_one_order_of_faults() -> None:
    plans = [planned(seed, seconds=60, apis=4, every_s=5) for seed in (1, 1, 2)]

    assert plans[0] == plans[1] != plans[2]
    assert {fault.kind for fault in plans[0][: len(KILLS)]} == set(KILLS)
