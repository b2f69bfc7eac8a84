from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.books import MOST_ACCUSED, ProofPage, ProvenPage
from gateway.ids import PLATFORM
from workflows.books_proof import Proof, ProveBooks, is_weekly
from workflows.search_attributes import KIND, ORGANIZATION, STATE

LAST = ProvenPage("B", "2026-05-01T00:00:00+00:00", periods=3, is_last=True)


class ScriptedBooks:
    """Stands in for `BooksActivities`: each call plays the next of `script`, the last one for ever."""

    def __init__(self, script: Sequence[ProvenPage | Exception]) -> None:
        self.script = script
        self.asked: list[ProofPage] = []

    @activity.defn(name="books.prove_page")
    async def prove_page(self, page: ProofPage) -> ProvenPage:
        act = self.script[min(len(self.asked), len(self.script) - 1)]
        self.asked.append(page)
        if isinstance(act, Exception):
            raise act
        return act


async def test_it_goes_on_behind_each_page_until_the_last(client: Client, task_queue: str) -> None:
    books = ScriptedBooks([ProvenPage("A", "2026-04-01T00:00:00+00:00", periods=200), LAST])

    handle, proof = await _prove(client, task_queue, books)

    assert proof == Proof(periods=203)
    assert [(page.after_org, page.after_start) for page in books.asked] == [
        ("", "-infinity"),
        ("A", "2026-04-01T00:00:00+00:00"),
    ]
    assert len({page.at for page in books.asked}) == 1
    attributes = (await handle.describe()).typed_search_attributes
    assert attributes.get(ORGANIZATION) == PLATFORM
    assert attributes.get(KIND) == "books.proof"
    assert attributes.get(STATE) == "done"


async def test_a_discrepancy_ends_in_alarm_and_names_the_check_and_the_organisation(
    client: Client, task_queue: str
) -> None:
    accusing = ProvenPage("A", "2026-04-01T00:00:00+00:00", periods=1, discrepancies=2, accused=["available A"])

    handle, proof = await _prove(client, task_queue, ScriptedBooks([accusing, LAST]))

    assert proof == Proof(periods=4, discrepancies=2, accused=["available A"])
    assert (await handle.describe()).typed_search_attributes.get(STATE) == "alarm"


async def test_what_is_named_is_bounded_and_what_is_counted_is_not(client: Client, task_queue: str) -> None:
    pages = [
        ProvenPage("A", f"2026-0{n}-01T00:00:00+00:00", discrepancies=50, accused=[f"check{i} {n}" for i in range(50)])
        for n in (1, 2)
    ]

    _, proof = await _prove(client, task_queue, ScriptedBooks([*pages, LAST]))

    assert (proof.discrepancies, len(proof.accused)) == (100, MOST_ACCUSED)


async def test_it_waits_for_a_database_that_is_away(client: Client, task_queue: str) -> None:
    books = ScriptedBooks([*[ApplicationError("away", type="INFERENCE_UNAVAILABLE")] * 3, LAST])

    _, proof = await _prove(client, task_queue, books)

    assert (proof, len(books.asked)) == (Proof(periods=3), 4)


@pytest.mark.parametrize("day", range(1, 8))
def test_everything_is_proven_on_sundays(day: int) -> None:
    begun = datetime(2026, 11, day, 3, 30, tzinfo=UTC)

    assert is_weekly(begun) == (begun.strftime("%A") == "Sunday")


async def _prove(
    client: Client, task_queue: str, books: ScriptedBooks
) -> tuple[WorkflowHandle[ProveBooks, Proof], Proof]:
    async with Worker(client, task_queue=task_queue, workflows=[ProveBooks], activities=[books.prove_page]):
        handle = await client.start_workflow(ProveBooks.run, id=f"books-proof/{task_queue}", task_queue=task_queue)
        return handle, await handle.result()
