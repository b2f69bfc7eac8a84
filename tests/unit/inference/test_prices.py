"""A call is held and charged by the prices in force when it was received, whatever they are when it is answered."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.catalog import PriceChange, shipped_catalog
from gateway.credits import pricing
from gateway.inference import trail
from tests.tenants import HAIKU, make_call, make_conversation
from tests.unit.inference.bench import NOW, Bench, access
from tests.unit.inference.ports import USAGE

DEARER = PriceChange(effective_at=NOW, ratio_milli=10 * HAIKU.ratio_milli, prices=None)
BEFORE = timedelta(microseconds=-1)


@pytest.mark.parametrize(("since", "times"), [(BEFORE, 1), (timedelta(0), 10)], ids=["before", "at the change"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_change_of_prices_bears_on_calls_from_its_instant_on(
    since: timedelta, times: int, *, stream: bool
) -> None:
    bench = Bench(price_changes={HAIKU.id: (DEARER,)})
    call = replace(make_call(access()), received_at=NOW + since, stream=stream)

    if stream:
        answer = await bench.pipeline.stream(call)
        _ = [batch async for batch in answer.events()]
        await answer.aclose()
    else:
        await bench.pipeline.complete(call)

    priced = HAIKU.model_copy(update={"ratio_milli": times * HAIKU.ratio_milli})
    (outcome,) = bench.journal.outcomes
    assert bench.journal.held == [pricing.ceiling(priced, call.conversation)]
    assert outcome.charge == pricing.charge(priced, USAGE)
    assert (trail.cost_micro_usd(outcome) is None) is (times == 10)


@pytest.mark.parametrize(("since", "times"), [(BEFORE, 1), (timedelta(0), 10)], ids=["before", "at the change"])
async def test_an_equivalent_is_priced_at_the_same_instant(since: timedelta, times: int) -> None:
    bench = Bench(
        equivalents={HAIKU.id: ("gpt-5.4-mini",)},
        price_changes={"gpt-5.4-mini": (PriceChange(effective_at=NOW, ratio_milli=3_000),)},
    )
    call = replace(make_call(access(failover_enabled=True)), received_at=NOW + since)

    await bench.pipeline.complete(call)

    mini = shipped_catalog().get("gpt-5.4-mini")
    priced = mini.model_copy(update={"ratio_milli": times * mini.ratio_milli})
    dearest = max(pricing.ceiling(model, make_conversation()) for model in (HAIKU, priced))
    assert bench.journal.held == [dearest]
