"""A model answers to each of its names, and a name to one model."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.catalog import Catalog, shipped_catalog
from gateway.errors import ModelRetiredError, NotFoundError

HAIKU = shipped_catalog().get("claude-haiku-4-5")
GPT = shipped_catalog().get("gpt-5.4")
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_model_is_found_by_its_id_its_vendors_id_and_its_aliases() -> None:
    catalog = Catalog([HAIKU.model_copy(update={"aliases": ("haiku",)}), GPT])

    found = [catalog.get(name).id for name in ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "haiku")]

    assert found == ["claude-haiku-4-5"] * 3
    assert [model.id for model in catalog] == ["claude-haiku-4-5", "gpt-5.4"]


@pytest.mark.parametrize("clash", [{"id": HAIKU.id}, {"upstream": HAIKU.upstream}, {"aliases": (HAIKU.id,)}])
def test_two_models_of_one_name_are_no_catalog(clash: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="two models"):
        Catalog([HAIKU, GPT.model_copy(update=clash)])


def test_a_name_is_matched_whole() -> None:
    for name in ("claude-haiku-4-5-20251002", "claude-haiku", ""):
        with pytest.raises(NotFoundError):
            shipped_catalog().get(name)


def test_a_retired_model_says_when_what_instead_and_where_to_read_more() -> None:
    retired = HAIKU.model_copy(update={"retired_at": NOW, "recommended_replacement": "claude-sonnet-4-6"})
    catalog = Catalog([retired])

    assert catalog.get(HAIKU.upstream, now=NOW - timedelta(seconds=1)) is retired
    with pytest.raises(ModelRetiredError) as raised:
        catalog.get(HAIKU.upstream, now=NOW)

    assert set(raised.value.details) == {"retired_at", "recommended_replacement", "docs_url"}
    assert str(raised.value.details["docs_url"]).startswith("https://")
