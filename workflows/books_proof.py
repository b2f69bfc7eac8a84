"""`books.proof`: every night the books are added up anew."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.books import MOST_ACCUSED, BooksActivities, ProofPage
    from gateway.ids import PLATFORM
    from workflows import search_attributes
    from workflows.options import PROOF_PAGE
    from workflows.search_attributes import State

_SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Proof:
    """How many periods were proven, how many checks failed, and some of those with organisations' ids."""

    periods: int = 0
    discrepancies: int = 0
    accused: list[str] = field(default_factory=list[str])


def is_weekly(begun: datetime) -> bool:
    """Whether a proof that begins then is the one in the week that proves everything."""
    return begun.weekday() == _SUNDAY


@workflow.defn(name="books.proof")
class ProveBooks:
    """Proves what is open or has ended not long ago; on Sundays everything. Ends in `alarm` if anything disagrees."""

    @workflow.run
    async def run(self) -> Proof:
        search_attributes.declare(PLATFORM)
        begun = workflow.now()
        page = ProofPage(at=begun.isoformat(), everything=is_weekly(begun))
        proof = Proof()
        is_over = False
        while not is_over:
            proven = await workflow.execute_activity_method(BooksActivities.prove_page, page, **PROOF_PAGE)
            proof = Proof(
                proof.periods + proven.periods,
                proof.discrepancies + proven.discrepancies,
                list(dict.fromkeys([*proof.accused, *proven.accused]))[:MOST_ACCUSED],
            )
            page = replace(page, after_org=proven.after_org, after_start=proven.after_start)
            is_over = proven.is_last
        search_attributes.enter(State.ALARM if proof.discrepancies else State.DONE)
        return proof
