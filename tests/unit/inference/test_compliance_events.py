"""The compliance events of calls whose ends are hard to come by over HTTP, and the gate behind every kind of error."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.audit.compliance import gate_of
from gateway.catalog import shipped_catalog
from gateway.errors import GatewayError, Kind, PhiBlockedError
from gateway.inference import trail
from gateway.routing.route import Delivery
from tests.tenants import HAIKU, make_call, make_outcome
from tests.unit.inference.bench import PERSON, Bench, access
from tests.unit.inference.test_reviewing import BLOCKING_ANSWERS


async def test_an_answer_that_is_kept_back_was_made_and_charged() -> None:
    bench = Bench(in_answer=(PERSON,))
    with pytest.raises(PhiBlockedError):
        await bench.pipeline.complete(make_call(access(screening=BLOCKING_ANSWERS)))

    (outcome,) = bench.journal.outcomes

    assert [*trail.compliance_events(outcome)][2:] == [
        "phi.scanned",
        "answer.scanned",
        "answer.withheld",
        "credits.settled",
        "content.stored",
    ]
    assert trail.audit_metadata(outcome)["gate"] == "phi"


async def test_phi_that_a_model_itself_wrote_is_recorded() -> None:
    bench = Bench(in_answer=(PERSON,))

    await bench.pipeline.complete(make_call(access()))

    (outcome,) = bench.journal.outcomes
    assert [*trail.compliance_events(outcome)][3:5] == ["answer.scanned", "answer.phi_recorded"]


def test_another_models_answer_is_told_with_the_opt_in_that_it_needed() -> None:
    premium = shipped_catalog().get("gpt-5.5")
    outcome = replace(make_outcome(make_call(access())), model=premium, delivery=Delivery(premium, HAIKU))

    fired = [*trail.compliance_events(outcome)]

    assert fired[1:3] == ["provider.failover", "model.opt_in_verified"]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_error_has_its_gate(kind: Kind) -> None:
    error = cast("GatewayError", SimpleNamespace(code="ANY", kind=kind))

    assert gate_of(error)
