"""demo.json over restarts: the key is shown once, so the file must keep it, and only while it is still true."""

import json
from pathlib import Path

import pytest

from cli.embedded.demo import Demo, banner, updated
from cli.failure import CommandError

KNOWN = Demo("http://127.0.0.1:1", "hasp_key_live_old", "org_1", "http://127.0.0.1:2")


def seeded(known: Demo | None, **facts: object) -> Demo:
    return updated(known, json.dumps(facts).encode(), base_url="http://127.0.0.1:3", temporal_ui_url="http://ui")


def test_the_file_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    KNOWN.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(path.read_text())) == {"base_url", "api_key", "organization_id", "temporal_ui_url"}
    assert Demo.load(path) == KNOWN


@pytest.mark.parametrize("text", ["", "{", "[]", '{"api_key": "hasp_key_live_old"}', "null"])
def test_a_file_that_holds_something_else_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text(text)
    assert Demo.load(tmp_path / "demo.json") is None


def test_the_known_key_is_kept_while_its_organisation_exists_and_addresses_follow_the_ports() -> None:
    demo = seeded(KNOWN, organization_id="org_1", api_key=None, created=False)
    assert demo == Demo("http://127.0.0.1:3", "hasp_key_live_old", "org_1", "http://ui")


def test_a_new_key_replaces_the_known_one() -> None:
    assert seeded(KNOWN, organization_id="org_2", api_key="hasp_key_live_new").api_key == "hasp_key_live_new"


def test_an_organisation_without_a_key_of_its_own_is_an_error() -> None:
    with pytest.raises(CommandError):
        seeded(KNOWN, organization_id="org_2", api_key=None)
    with pytest.raises(CommandError):
        seeded(None)


def test_the_banner_shows_a_call_to_paste_and_where_live_keys_go() -> None:
    text = banner(KNOWN, {"HASP_OPENAI_API_KEY": "sk-secret"}, seconds=1.5)
    assert "curl http://127.0.0.1:1/v1/messages -H 'authorization: Bearer hasp_key_live_old'" in text
    assert "Anthropic    the sandbox: HASP_ANTHROPIC_API_KEY is not set" in text
    assert "OpenAI       the real API" in text
    assert "sk-secret" not in text
    assert "providers" not in text


def test_the_banner_names_the_catalog_file() -> None:
    text = banner(KNOWN, {"HASP_CATALOG_FILE": "ward.json"}, seconds=1.5)

    assert "and          the providers of ward.json" in text
