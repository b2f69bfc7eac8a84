from collections.abc import Sequence

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.baa import SeenPage
from activities.cursor import Cursor
from gateway.ids import PLATFORM
from workflows.baa_upkeep import MOST_PAGES, BaaUpkeep, KeptUp
from workflows.search_attributes import KIND, ORGANIZATION, STATE


class ScriptedAgreements:
    """Stands in for `BaaActivities`: each step plays the next page of its script, the last one for ever."""

    def __init__(self, **script: Sequence[SeenPage | Exception]) -> None:
        self.script = script
        self.seen: dict[str, list[Cursor]] = {"start": [], "renew": [], "keep": []}

    @activity.defn(name="baa.start_page")
    async def start_page(self, cursor: Cursor) -> SeenPage:
        return self._play("start", cursor)

    @activity.defn(name="baa.renew_page")
    async def renew_page(self, cursor: Cursor) -> SeenPage:
        return self._play("renew", cursor)

    @activity.defn(name="baa.keep_page")
    async def keep_page(self, cursor: Cursor) -> SeenPage:
        return self._play("keep", cursor)

    def _play(self, step: str, cursor: Cursor) -> SeenPage:
        pages = self.script.get(step, [SeenPage(0)])
        page = pages[min(len(self.seen[step]), len(pages) - 1)]
        self.seen[step].append(cursor)
        if isinstance(page, Exception):
            raise page
        return page


async def keep_up(client: Client, task_queue: str, agreements: ScriptedAgreements) -> KeptUp:
    activities = [agreements.start_page, agreements.renew_page, agreements.keep_page]
    async with Worker(client, task_queue=task_queue, workflows=[BaaUpkeep], activities=activities):
        handle = await client.start_workflow(BaaUpkeep.run, id=f"baa-upkeep/{task_queue}", task_queue=task_queue)
        kept = await handle.result()
        attributes = (await handle.describe()).typed_search_attributes
        assert [attributes.get(key) for key in (ORGANIZATION, KIND, STATE)] == [PLATFORM, "baa.upkeep", "done"]
        return kept


async def test_it_goes_over_everything_page_by_page(client: Client, task_queue: str) -> None:
    agreements = ScriptedAgreements(
        start=[SeenPage(100, Cursor("01A")), SeenPage(2)], renew=[SeenPage(1)], keep=[SeenPage(100, Cursor("01B"))] * 2
    )
    agreements.script["keep"] = [*agreements.script["keep"], SeenPage(0)]

    kept = await keep_up(client, task_queue, agreements)

    assert kept == KeptUp(started=102, renewed=1, ended_or_told=200)
    assert agreements.seen["start"] == [Cursor(), Cursor("01A")]
    assert agreements.seen["keep"] == [Cursor(), Cursor("01B"), Cursor("01B")]


async def test_one_run_is_bounded(client: Client, task_queue: str) -> None:
    agreements = ScriptedAgreements(keep=[SeenPage(100, Cursor("01A"))])

    kept = await keep_up(client, task_queue, agreements)

    assert kept.ended_or_told == 100 * MOST_PAGES


async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str) -> None:
    away = ApplicationError("away", type="INFERENCE_UNAVAILABLE")
    agreements = ScriptedAgreements(start=[away, away, SeenPage(1)])

    assert await keep_up(client, task_queue, agreements) == KeptUp(1, 0, 0)
