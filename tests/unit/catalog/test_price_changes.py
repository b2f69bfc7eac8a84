"""Prices change at an instant: a call is held and charged by those in force when it was received."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from gateway.catalog import Catalog, CatalogError, PriceChange, read_catalog, shipped_catalog
from gateway.catalog.reading import shipped_providers
from gateway.completion import Usage
from gateway.credits.pricing import ceiling_of_tokens, charge, cost_micro_usd

Json = dict[str, Any]

SONNET = "claude-sonnet-4-6"
CHANGES_AT = datetime(2026, 7, 1, tzinfo=UTC)
AN_INSTANT = timedelta(microseconds=1)
NO_LONGER_PRICED: Json = {"effective_at": "2027-01-01T00:00:00Z", "prices": None}
DEARER: Json = {
    "effective_at": "2026-07-01T00:00:00Z",
    "ratio_milli": 1500,
    "prices": {"input": 4, "output": 8, "cache_read": 0, "cache_write_5m": 0, "cache_write_1h": 0},
}
USAGE = Usage(input=1_000_000, output=1_000_000)


def read(tmp_path: Path, amendment: Json) -> Catalog:
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"amendments": {SONNET: amendment}}))
    return read_catalog(path, shipped=shipped_providers(), environment=lambda _: None)


@pytest.mark.parametrize(
    ("since", "ratio_milli", "cost"),
    [
        (-AN_INSTANT, 1_000, 18_000_000),
        (timedelta(0), 1_500, 12),
        (timedelta(days=183), 1_500, 12),
        (timedelta(days=184), 1_500, None),
    ],
    ids=["before the change", "at its instant", "before the next", "at the next"],
)
def test_a_change_is_in_force_from_its_instant_on(
    tmp_path: Path, since: timedelta, ratio_milli: int, cost: int | None
) -> None:
    model = read(tmp_path, {"price_changes": [DEARER, NO_LONGER_PRICED]}).get(SONNET, now=CHANGES_AT + since)

    assert charge(model, USAGE) == 2 * 1_000 * ratio_milli
    assert ceiling_of_tokens(model, 1_000) == ratio_milli
    assert cost_micro_usd(model, USAGE) == cost


def test_what_a_change_does_not_say_stays_as_it_was_before() -> None:
    changes = (
        PriceChange(effective_at=CHANGES_AT, cache_read_ratio_milli=100),
        PriceChange(effective_at=CHANGES_AT + timedelta(days=1), ratio_milli=2_000),
    )
    sonnet = shipped_catalog().get(SONNET)

    priced = sonnet.model_copy(update={"price_changes": changes}).priced_at(CHANGES_AT + timedelta(days=1))

    assert priced == sonnet.model_copy(update={"cache_read_ratio_milli": 100, "ratio_milli": 2_000})


def test_a_model_that_a_call_has_keeps_its_prices(tmp_path: Path) -> None:
    model = read(tmp_path, {"price_changes": [DEARER]}).get(SONNET, now=CHANGES_AT - AN_INSTANT)

    assert model.priced_at(CHANGES_AT) is model


def test_an_instant_is_the_same_one_in_any_zone(tmp_path: Path) -> None:
    catalog = read(tmp_path, {"price_changes": [DEARER | {"effective_at": "2026-07-01T02:00:00+02:00"}]})
    there = timezone(timedelta(hours=-5))

    before, after = (
        catalog.get(SONNET, now=(CHANGES_AT + by).astimezone(there)) for by in (-AN_INSTANT, 0 * AN_INSTANT)
    )

    assert (before.ratio_milli, after.ratio_milli) == (1_000, 1_500)


def test_an_operators_price_is_not_ended_by_a_shipped_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = json.loads((Path(__file__).parents[3] / "gateway/catalog/shipped.json").read_bytes())
    for model in shipped["models"]:
        model["price_changes"] = [DEARER]
    (tmp_path / "shipped.json").write_text(json.dumps(shipped))
    monkeypatch.setattr("gateway.catalog.reading.files", {"gateway.catalog": tmp_path}.__getitem__)

    catalog = read(tmp_path, {"ratio_milli": 900})

    assert catalog.get(SONNET, now=CHANGES_AT).ratio_milli == 900
    assert catalog.get("claude-haiku-4-5", now=CHANGES_AT).ratio_milli == 1_500


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ([DEARER, DEARER], ": must each take effect later than the one before"),
        ([NO_LONGER_PRICED, DEARER], ": must each take effect later than the one before"),
        ([DEARER, DEARER | {"effective_at": "2026-07-01T02:00:00+02:00"}], ": must each take effect later"),
        ([DEARER | {"effective_at": "2026-07-01T00:00:00"}], "[0].effective_at: must say its offset from UTC"),
        ([DEARER | {"effective_at": "2026-07-01"}], "[0].effective_at: must be a time such as"),
        ([DEARER | {"effective_at": 1_782_864_000}], "[0].effective_at: must be a time such as"),
        ([DEARER | {"effective_at": "1782864000"}], "[0].effective_at: must be a time such as"),
        ([DEARER | {"effective_at": None}], "[0].effective_at: Input should be a valid datetime"),
        ([{"ratio_milli": 900}], "[0].effective_at: Field required"),
        ([{"effective_at": "2026-07-01T00:00:00Z"}], "[0]: must say ratio_milli, cache_read_ratio_milli or prices"),
        ([DEARER | {"ratio_milli": None}], "[0].ratio_milli: Input should be a valid integer"),
        ([DEARER | {"ratio_milli": 0}], "[0].ratio_milli: Input should be greater than 0"),
        ([DEARER | {"ratio_milli": True}], "[0].ratio_milli: Input should be a valid integer"),
        ([DEARER | {"ratio_milli": 900.0}], "[0].ratio_milli: Input should be a valid integer"),
        ([DEARER | {"prices": {"input": 1}}], "[0].prices.output: Field required"),
        ([DEARER | {"until": "2027-01-01T00:00:00Z"}], "[0].until: Extra inputs are not permitted"),
        ([DEARER] * 101, ": Tuple should have at most 100 items"),
        (DEARER, ": Input should be a valid tuple"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_bad_list_is_refused_with_its_place(tmp_path: Path, changes: object, problem: str) -> None:
    with pytest.raises(CatalogError) as raised:
        read(tmp_path, {"price_changes": changes})

    assert raised.value.problems[0].startswith(f"amendments.{SONNET}.price_changes{problem}")
