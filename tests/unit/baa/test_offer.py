from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.baa.offer import CONSENT_SHA256, TOKEN_LIFE, Offer
from gateway.baa.template import current_template, templates
from gateway.errors import AgreementRevisionError, AgreementTokenError
from gateway.ids import ApiKeyId, OrganizationId

SECRETS = {1: b"a" * 32, 2: b"b" * 32}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
OFFER = Offer(OrganizationId("01ORG"), ApiKeyId("01KEY"), current_template(), ("self_hosted",))
TOKEN = OFFER.token(SECRETS, NOON)


def test_a_token_tells_when_the_text_was_handed_out() -> None:
    assert OFFER.fetched_at(TOKEN, SECRETS, NOON + timedelta(hours=3)) == NOON


def test_a_token_outlives_a_rotation_of_its_secret() -> None:
    older = OFFER.token({1: SECRETS[1]}, NOON)

    assert OFFER.fetched_at(older, SECRETS, NOON) == NOON


@pytest.mark.parametrize(
    "other",
    [
        replace(OFFER, org=OrganizationId("01OTHER")),
        replace(OFFER, key=ApiKeyId("01OTHER")),
        replace(OFFER, template=templates()[0]),
        replace(OFFER, covers=("self_hosted", "hasp_openai_baa_2026")),
    ],
    ids=["organisation", "key", "text", "covers"],
)
def test_a_token_is_good_for_nothing_else(other: Offer) -> None:
    with pytest.raises(AgreementTokenError):
        other.fetched_at(TOKEN, SECRETS, NOON)


@pytest.mark.parametrize("age", [TOKEN_LIFE, timedelta(days=400), timedelta(minutes=-3)])
def test_a_token_of_another_day_or_of_the_future_is_refused(age: timedelta) -> None:
    with pytest.raises(AgreementTokenError):
        OFFER.fetched_at(TOKEN, SECRETS, NOON + age)


def test_a_clock_that_is_a_little_behind_makes_no_time_in_the_future() -> None:
    behind = NOON - timedelta(seconds=30)

    assert OFFER.fetched_at(TOKEN, SECRETS, behind) == behind


@given(st.integers(0, len(TOKEN) - 1), st.characters(max_codepoint=0x2FF))
def test_no_character_of_a_token_is_free(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]

    if changed != TOKEN:
        with pytest.raises(AgreementTokenError):
            OFFER.fetched_at(changed, SECRETS, NOON)


@given(st.text(max_size=120))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(AgreementTokenError):
        OFFER.fetched_at(text, SECRETS, NOON)


def test_the_texts_on_offer_are_taken_in_either_case_of_their_hashes() -> None:
    OFFER.require(template_sha256=OFFER.template.sha256.upper(), consent_sha256=CONSENT_SHA256)


@pytest.mark.parametrize(
    ("template_sha256", "consent_sha256", "param"),
    [
        (templates()[0].sha256, CONSENT_SHA256, "template_sha256"),
        (OFFER.template.sha256, "0" * 64, "consent_sha256"),
    ],
)
def test_another_revision_is_refused_with_the_hashes_of_this_one(
    template_sha256: str, consent_sha256: str, param: str
) -> None:
    with pytest.raises(AgreementRevisionError) as refused:
        OFFER.require(template_sha256=template_sha256, consent_sha256=consent_sha256)

    assert refused.value.param == param
    assert refused.value.details == {"template_sha256": OFFER.template.sha256, "consent_sha256": CONSENT_SHA256}
