"""What Claude's clients call models, and which model is meant."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.catalog import Catalog, Model, Tier, shipped_catalog
from gateway.inference.naming import claude_name
from gateway.tenancy import Access, ModelChoices
from tests.unit.inference.bench import NOW, access

SHIPPED = shipped_catalog()


def model(**fields: Any) -> Model:
    return SHIPPED.get("claude-sonnet-4-6").model_copy(update={"aliases": (), **fields})


NEWER = model(id="claude-sonnet-5", upstream="claude-sonnet-5-20261001", created_at=NOW)
DOTTED = model(id="anthropic.claude-haiku-5", upstream="haiku-5", family="haiku", created_at=NOW)
PREMIUM = model(id="claude-sonnet-6", upstream="claude-sonnet-6", tier=Tier.PREMIUM, created_at=NOW + timedelta(days=1))
RETIRED = model(id="claude-sonnet-7", upstream="claude-sonnet-7", retired_at=NOW, created_at=NOW)
CATALOG = Catalog([*SHIPPED, NEWER, DOTTED, PREMIUM, RETIRED])


def meant(asked: str, who: Access | None = None, catalog: Catalog = CATALOG, *, any_version: bool = False) -> str:
    return claude_name(asked, who or access(), catalog=catalog, now=NOW, any_version=any_version)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("sonnet", "claude-sonnet-5"),
        ("sonnet[1m]", "claude-sonnet-5"),
        ("haiku", "anthropic.claude-haiku-5"),
        ("claude-haiku-5", "anthropic.claude-haiku-5"),
        ("claude-haiku-5-20261001", "anthropic.claude-haiku-5"),
        ("anthropic.claude-haiku-5", "anthropic.claude-haiku-5"),
        ("anthropic.claude-haiku-5[1m]", "anthropic.claude-haiku-5"),
        ("anthropic.claude-sonnet-4-6-20260217", "claude-sonnet-4-6"),
        ("claude-sonnet-5-20261001", "claude-sonnet-5-20261001"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),
        ("gpt-5.4", "gpt-5.4"),
        ("claude-sonnet-7", "claude-sonnet-7"),
    ],
)
def test_a_name_is_one_of_the_catalogs(asked: str, name: str) -> None:
    assert meant(asked) == name


@pytest.mark.parametrize("asked", ["Sonnet", "claude", "", "-20261001", "[1m]", "opusx", "auto"])
def test_what_is_no_name_of_claudes_stays_as_it_is(asked: str) -> None:
    assert meant(asked, any_version=True) == asked


@pytest.mark.parametrize(
    "asked", ["claude-opus-9", "claude-3-opus-20240229", "claude-opus-9[1m]", "claude-opus-4-7-202605"]
)
def test_a_version_that_is_not_here_is_the_newest_only_where_that_is_wanted(asked: str) -> None:
    enabled = access(opus_enabled=True)

    assert meant(asked, enabled) == asked
    assert meant(asked, enabled, any_version=True) == "claude-opus-4-7"


def test_a_shorthand_without_any_model_that_is_enabled_leads_to_the_refusal_of_the_newest() -> None:
    assert meant("opus", access()) == "claude-opus-4-7"
    assert meant("opus", catalog=Catalog([])) == "opus"


def test_a_callers_own_mapping_comes_before_every_other_meaning() -> None:
    own = replace(access(), choices=ModelChoices({"sonnet": "gpt-5.4", "haiku": "gone"}))
    operators = Catalog([*SHIPPED, model(id="local", upstream="local", aliases=("sonnet",))])

    assert meant("sonnet", own) == meant("sonnet", own, operators) == "gpt-5.4"
    assert meant("haiku", own) == "gone"
    assert meant("sonnet", catalog=operators) == "sonnet"
    assert meant("claude-sonnet-4-6", own) == "claude-sonnet-4-6"
