"""Evidence holds nothing that a reader could not see, and is the same bytes each time."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import orjson
import pytest

from gateway.baa.evidence import LONGEST_AGENT, LONGEST_NAME, Origin
from gateway.errors import ValidationFailedError
from tests.unit.baa.acceptances import NOON, SIGNATORY, evidence

UNSEEN = {
    "a line break": "Anna\nMüller",
    "a null": "Anna\x00",
    "an escape": "Anna\x1b[2J",
    "a direction override": "Anna \u202erelluM",
    "a zero-width space": "An\u200bna",
    "a line separator": "Anna\u2028Müller",
    "a lone surrogate": "Anna\ud800",
    "a private character": "Anna\ue000",
    "a filler": "Anna\u3164",
    "a joiner of graphemes": "An\u034fna",
    "a blank of Braille": "Anna\u2800Müller",
}


@pytest.mark.parametrize("name", UNSEEN.values(), ids=UNSEEN.keys())
def test_a_name_with_what_is_not_seen_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailedError, match="signer_name") as refusal:
        replace(SIGNATORY, name=name)

    assert refusal.value.param == "signer_name"


@pytest.mark.parametrize("name", ["", " ", "\t", "x" * (LONGEST_NAME + 1)])
def test_a_name_that_is_empty_or_too_long_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailedError):
        replace(SIGNATORY, name=name)


@pytest.mark.parametrize("name", ["\u3164", "\u200d", "\u200c\u00a0\u200d", "\ufe0f", "\u0301", "\u2800"])
def test_a_name_that_shows_nothing_is_empty(name: str) -> None:
    with pytest.raises(ValidationFailedError, match="empty"):
        replace(SIGNATORY, name=name)


def test_a_refusal_does_not_quote_the_value() -> None:
    with pytest.raises(ValidationFailedError) as refusal:
        replace(SIGNATORY, title="Secret title\x00")

    assert "Secret" not in str(refusal.value)


def test_two_spellings_of_one_name_are_one() -> None:
    assert replace(SIGNATORY, name=" Mu\u0308ller ").name == "M\u00fcller"


def test_joiners_that_names_are_spelled_with_stay() -> None:
    assert (
        replace(SIGNATORY, name="\u0639\u0644\u06cc\u200c\u0631\u0636\u0627").name
        == "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
    )


def test_a_user_agent_is_made_readable_rather_than_refused() -> None:
    origin = Origin(None, None, "curl/8\r\n\x00é" + "x" * 1000)

    assert origin.user_agent is not None
    assert origin.user_agent.startswith("curl/8????xx")
    assert len(origin.user_agent) == LONGEST_AGENT


def test_the_same_evidence_is_the_same_bytes_in_any_zone() -> None:
    abroad = NOON.astimezone(timezone(timedelta(hours=9)))

    assert replace(evidence(), accepted_at=abroad).json() == evidence().json()


def test_the_evidence_says_all_that_it_holds() -> None:
    said = orjson.loads(evidence().json())

    assert (said["signatory"]["name"], said["accepted_at"]) == ("Anna Müller", "2026-11-22T12:00:00Z")
    assert said["template_sha256"] == evidence().template_sha256


def test_a_text_cannot_be_accepted_before_it_is_handed_out() -> None:
    with pytest.raises(ValueError, match="handed out"):
        replace(evidence(), text_fetched_at=NOON + timedelta(seconds=1))


def test_a_time_without_a_zone_is_no_evidence() -> None:
    bare = datetime.fromisoformat("2026-11-22T12:00:00")

    with pytest.raises(ValueError, match="zone"):
        replace(evidence(), effective_at=bare)
