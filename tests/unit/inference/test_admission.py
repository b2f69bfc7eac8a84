"""Who may answer in the place of the model that was asked for."""

from datetime import UTC, datetime

import pytest

from gateway.catalog import Catalog, Model, shipped_catalog
from gateway.inference.admission import route_for
from tests.tenants import make_conversation
from tests.unit.inference.bench import access

ASKED, OTHER = shipped_catalog().get("claude-haiku-4-5"), shipped_catalog().get("gpt-5.4-mini")
OPUS, PREMIUM = shipped_catalog().get("claude-opus-4-6"), shipped_catalog().get("gpt-5.5")


def others(*equivalents: Model, text: str = "Hello", max_tokens: int = 100, **policy: object) -> list[str]:
    asked = ASKED.model_copy(update={"equivalents": tuple(each.id for each in equivalents)})
    route = route_for(
        asked,
        make_conversation(text, max_tokens=max_tokens),
        access(**{"failover_enabled": True, **policy}),
        catalog=Catalog([asked, *equivalents]),
        now=datetime.now(UTC),
        baa_url="",
    )
    return [model.id for model in route.others]


def changed(**fields: object) -> Model:
    return OTHER.model_copy(update=fields)


def test_equivalents_may_answer_in_their_order() -> None:
    assert others(OTHER, shipped_catalog().get("gpt-5.4")) == ["gpt-5.4-mini", "gpt-5.4"]


def test_nobody_stands_in_where_the_organisation_did_not_allow_it() -> None:
    assert others(OTHER, failover_enabled=False) == []


@pytest.mark.parametrize(
    "other",
    [
        OPUS,
        PREMIUM,
        changed(covered_by="self_hosted"),
        changed(retired_at=datetime(2020, 1, 1, tzinfo=UTC)),
        changed(max_output_tokens=99),
        changed(context_tokens=101),
    ],
    ids=["opus", "premium", "not covered", "retired", "shorter answers", "smaller context"],
)
def test_one_that_the_organisation_could_not_ask_or_that_is_too_small_does_not(other: Model) -> None:
    assert others(other) == []


def test_opus_and_premium_models_may_where_they_are_enabled() -> None:
    assert others(OPUS, PREMIUM, opus_enabled=True, premium_models=frozenset({PREMIUM.id})) == [OPUS.id, PREMIUM.id]
