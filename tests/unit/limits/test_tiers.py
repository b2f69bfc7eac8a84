"""The table of tiers, as shipped and as an operator's file has it."""

from pathlib import Path

import orjson
import pytest

from gateway.limits.tiers import RateLimits, TiersError, read_tiers

NONE = {"key_rpm": None, "key_daily": None, "org_rpm": None, "org_tpm": None}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiers.json"


def write(file: Path, content: object) -> None:
    file.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))


@pytest.mark.parametrize(
    ("tier", "limits"),
    [
        ("developer", RateLimits(60, 5_000, 180, 100_000)),
        ("growth", RateLimits(500, 50_000, 2_500, 500_000)),
        ("scale", RateLimits(2_000, 500_000, 10_000, 2_000_000)),
        ("enterprise", RateLimits()),
    ],
)
def test_the_published_tiers_are_shipped(tier: str, limits: RateLimits) -> None:
    assert read_tiers().limits(tier) == limits


@pytest.mark.parametrize(("alias", "tier"), [("solo", "developer"), ("professional", "growth"), ("business", "scale")])
def test_the_platform_s_names_mean_the_same(alias: str, tier: str) -> None:
    assert read_tiers().limits(alias) == read_tiers().limits(tier)


def test_a_tier_that_nobody_knows_has_the_lowest_limits() -> None:
    assert read_tiers().limits("gone") == read_tiers().limits("developer")


def test_a_key_s_cap_is_never_above_its_organisation_s(file: Path) -> None:
    write(file, {"tiers": {"odd": {**NONE, "key_rpm": 500, "org_rpm": 100}}})

    assert read_tiers(file).limits("odd").key_rpm == 100


def test_a_key_of_a_limited_organisation_without_a_cap_of_its_own_has_the_organisation_s(file: Path) -> None:
    write(file, {"tiers": {"shared": {**NONE, "org_rpm": 100}}})

    assert read_tiers(file).limits("shared").key_rpm == 100


def test_a_file_adds_tiers_and_replaces_those_of_the_same_name(file: Path) -> None:
    write(file, {"tiers": {"clinic": {**NONE, "key_daily": 9}, "growth": {**NONE, "org_tpm": 7}}})

    tiers = read_tiers(file)

    assert tiers.limits("clinic") == RateLimits(key_daily=9)
    assert tiers.limits("professional") == RateLimits(org_tpm=7)
    assert tiers.limits("developer").key_rpm == 60


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "the file: Invalid JSON"),
        ({"tires": {}}, "tires"),
        ({"tiers": {"a": {"key_rpm": 1}}}, "tiers.a.key_daily: Field required"),
        ({"tiers": {"a": {**NONE, "key_rpm": 0}}}, "tiers.a.key_rpm: Input should be greater than or equal to 1"),
        ({"tiers": {"a": {**NONE, "key_rpm": True}}}, "tiers.a.key_rpm: Input should be a valid integer"),
        ({"tiers": {"a": {**NONE, "org_tpm": 100_000_001}}}, "tiers.a.org_tpm: Input should be less than or equal"),
        ({"aliases": {"vip": "nothing"}}, "aliases.vip: not the name of a tier"),
        ({"aliases": {"growth": "developer"}}, "aliases.growth: a tier has this name"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_by_its_place(file: Path, content: object, said: str) -> None:
    write(file, content)

    with pytest.raises(TiersError) as raised:
        read_tiers(file)

    assert said in str(raised.value)


def test_a_secret_in_the_wrong_place_is_not_repeated(file: Path) -> None:
    write(file, {"tiers": {"a": {**NONE, "key_rpm": "hasp_key_live_secret"}}})

    with pytest.raises(TiersError) as raised:
        read_tiers(file)

    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_there_is_said(file: Path) -> None:
    with pytest.raises(TiersError, match="cannot be read"):
        read_tiers(file)
