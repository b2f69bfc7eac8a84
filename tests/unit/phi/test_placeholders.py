"""Same value, same number: across the turns of a conversation, and whatever else is said in it."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.completion import Completion, StopReason, Usage
from gateway.conversation import Conversation, Text, ToolUse, Turn
from gateway.errors import ValidationFailedError
from gateway.phi.findings import Entity
from gateway.phi.guard import Guard, Screened
from gateway.phi.inline import RuleDetector
from gateway.phi.screening import Profile, Screening
from tests.unit.phi.conversations import SAMPLING, access_with, but, said

GUARD = Guard(RuleDetector())
REDACT = access_with()


def texts_of(conversation: Conversation) -> list[str]:
    return [block.text for turn in conversation.turns for block in turn.blocks if isinstance(block, Text)]


def restored(screened: Screened, text: str) -> str:
    (block,) = screened.restorer.completion(Completion("m", (Text(text),), StopReason.END_TURN, Usage())).blocks
    assert isinstance(block, Text)
    return block.text


async def masked(*texts: str, **policy: object) -> list[str]:
    return texts_of((await GUARD.screen(said(*texts), but(REDACT, **policy))).conversation)


async def test_a_placeholder_that_someone_types_later_changes_nothing_before_it() -> None:
    first = await GUARD.screen(said("SSN 917-44-8123"), REDACT)
    later = await GUARD.screen(said("SSN 917-44-8123", "Noted.", "What does [SSN_1] mean in a template?"), REDACT)
    assert texts_of(later.conversation)[:1] == texts_of(first.conversation) == ["SSN [SSN_1]"]


async def test_a_typed_placeholder_whose_number_is_taken_steps_aside_and_comes_back() -> None:
    said_last = "Keep [SSN_1] and [ssn 1] as typed, and 917-44-8123."
    screened = await GUARD.screen(said("SSN 917-44-8123", "Noted.", said_last), REDACT)
    sent = texts_of(screened.conversation)[2]
    assert sent == "Keep [TEXT_1] and [TEXT_2] as typed, and [SSN_1]."
    assert restored(screened, sent) == said_last
    assert screened.report.redaction_count == 2
    assert screened.report.entity_types == ("US_SSN",)


async def test_a_typed_placeholder_that_comes_first_keeps_its_number_for_good() -> None:
    assert await masked("Use [NAME_1] in the letter.", "Yes.", "It is for patient Maria Lopez and [NAME_1].") == [
        "Use [NAME_1] in the letter.",
        "Yes.",
        "It is for patient [NAME_2] and [NAME_1].",
    ]


async def test_numbers_of_earlier_turns_stay_when_the_system_prompt_changes() -> None:
    first = await GUARD.screen(said("Patient Maria Lopez, SSN 917-44-8123"), REDACT)
    system = (Text("You assist Dr. Peter Chen, SSN 321-44-8123."),)
    then = await GUARD.screen(
        said("Patient Maria Lopez, SSN 917-44-8123", "Noted.", "And now?", system=system), REDACT, first.placeholders
    )
    assert texts_of(then.conversation)[0] == "Patient [NAME_1], SSN [SSN_1]"
    assert then.conversation.system == (Text("You assist Dr. [NAME_2], SSN [SSN_2]."),)
    assert restored(then, "[NAME_1] is not [NAME_2]") == "Maria Lopez is not Peter Chen"


async def test_numbers_of_earlier_turns_stay_when_the_client_cuts_its_history() -> None:
    first = await GUARD.screen(said("SSN 917-44-8123", "Noted.", "And SSN 321-44-8123"), REDACT)
    then = await GUARD.screen(said("And SSN 321-44-8123"), REDACT, first.placeholders)
    assert texts_of(then.conversation) == ["And SSN [SSN_2]"]


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ({"family": "Love", "given": "Rich"}, "Love is the family name and Rich the given one."),
        ({"city": "Reading", "zip": 60073}, "Reading is in 60073."),
        ({"age": 94}, "That is 94."),
        ({"birthDate": "1980-03-04"}, "1980-03-04"),
    ],
)
async def test_what_was_put_back_into_an_answer_is_masked_again_in_the_next_turn(
    told: dict[str, str | int], answer: str
) -> None:
    asked = Turn("user", (Text("Look at this."),))
    called = Turn("assistant", (ToolUse("t1", "look", told),))
    first = await GUARD.screen(Conversation((asked, called), SAMPLING), REDACT)
    sent = answer
    for body, value in first.placeholders.items():
        sent = sent.replace(value, f"[{body}]")
    assert sent != answer
    then = await GUARD.screen(Conversation((asked, called, Turn("assistant", (Text(answer),))), SAMPLING), REDACT)
    assert texts_of(then.conversation)[-1] == sent


async def test_a_value_that_was_masked_once_is_masked_wherever_it_stands_again() -> None:
    assert await masked(
        "Patient Maria Lopez lives at 88 Harbor View Ave, Boise, ID 83702.",
        "Noted.",
        "Is maria  lopez of 88 Harbor View Ave insured? What about 83702 and the file maria_lopez.pdf?",
    ) == [
        "Patient [NAME_1] lives at [ADDRESS_1], [LOCATION_1], ID [ZIP_1].",
        "Noted.",
        "Is [NAME_1] of [ADDRESS_1] insured? What about [ZIP_1] and the file [NAME_2].pdf?",
    ]


async def test_a_short_number_that_was_masked_once_stays_readable_elsewhere() -> None:
    assert await masked("She is 94 years old.", "Noted.", "Give 94 mg at 94 bpm.") == [
        "She is [AGE_1] years old.",
        "Noted.",
        "Give 94 mg at 94 bpm.",
    ]


PIECES = st.sampled_from(
    [
        "Patient Maria Lopez",
        "SSN 917-44-8123",
        "[NAME_1]",
        "[SSN_1]",
        "[ssn 2]",
        "MRN 00153497",
        "Dr. Chen called",
        "Maria",
        "lives in Boise, ID 83702",
        "[TEXT_1]",
        "ordinary words",
        "born 03/04/1980",
        "94 years old",
        "00153497",
    ]
)
TURNS = st.lists(st.lists(PIECES, min_size=1, max_size=5).map(". ".join), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(TURNS, st.booleans())
async def test_whatever_is_said_next_the_turns_before_stay_as_they_were_sent(turns: list[str], restore: bool) -> None:
    before: list[str] = []
    for length in range(1, len(turns) + 1):
        now = await masked(*turns[:length], restore_answers=restore)
        assert now[:-1] == before
        before = now


@settings(max_examples=60, deadline=None)
@given(TURNS)
async def test_an_answer_that_repeats_the_prompt_comes_back_as_it_was_said(turns: list[str]) -> None:
    screened = await GUARD.screen(said(*turns), REDACT)
    for original, sent in zip(turns, texts_of(screened.conversation), strict=True):
        assert restored(screened, sent) == original


async def test_two_organisations_never_share_a_number_or_a_value() -> None:
    theirs = replace(REDACT, principal=replace(REDACT.principal, org="01J0000000000000000000000B"))
    ours = await GUARD.screen(said("SSN 917-44-8123"), REDACT)
    other = await GUARD.screen(said("SSN 321-44-8123"), theirs)
    assert restored(ours, "[SSN_1]") == "917-44-8123"
    assert restored(other, "[SSN_1]") == "321-44-8123"


@pytest.mark.parametrize("name", ["lookup_maria_lopez", "lookupMariaLopez", "LopezMaria_917448123", "id-917-44-8123"])
async def test_what_the_conversation_has_shown_is_refused_in_an_identifier(name: str) -> None:
    turns = (
        Turn("user", (Text("Patient Maria Lopez, SSN 917-44-8123"),)),
        Turn("assistant", (ToolUse("t1", name, {}),)),
    )
    with pytest.raises(ValidationFailedError):
        await GUARD.screen(Conversation(turns, SAMPLING), REDACT)


async def test_a_known_number_is_the_same_without_its_dashes_and_in_file_names() -> None:
    assert await masked(
        "Patient Maria Lopez, SSN 917-44-8123, MRN 00153497",
        "Noted.",
        "Open ssn_917448123.pdf, MariaLopez.pdf and 00153497-scan.tif",
    ) == [
        "Patient [NAME_1], SSN [SSN_1], MRN [MRN_1]",
        "Noted.",
        "Open ssn_[SSN_1].pdf, [NAME_2].pdf and [MRN_1]-scan.tif",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("maria.lopez@example.org", "maria-lopez@example.org"),
        ("https://portal.mercy.org/a-b", "https://portal.mercy.org/a.b"),
    ],
)
async def test_values_that_differ_in_their_marks_are_two_and_come_back_each_as_it_was(one: str, other: str) -> None:
    told = f"Write to {one}, not to {other}."
    screened = await GUARD.screen(said(told), REDACT)
    (sent,) = texts_of(screened.conversation)
    assert one not in sent
    assert other not in sent
    assert restored(screened, sent) == told


async def test_the_backslash_of_a_path_before_a_value_stays() -> None:
    told = r"Patient Maria Lopez: see C:\scans\Maria Lopez and HOSP\917-44-8123"
    screened = await GUARD.screen(said(told), REDACT)
    (sent,) = texts_of(screened.conversation)
    assert "Lopez" not in sent
    assert restored(screened, sent) == told


async def test_an_answer_to_a_prompt_without_phi_still_gets_what_earlier_turns_have_shown() -> None:
    screened = await GUARD.screen(said("And now?"), REDACT, {"NAME_1": "Maria Lopez"})
    assert restored(screened, "[NAME_1] is well.") == "Maria Lopez is well."


async def test_answers_that_kept_their_placeholders_still_mean_the_same_once_answers_are_restored() -> None:
    screened = await GUARD.screen(
        said("Patient Maria Lopez", "Is it about [NAME_1]?", "Yes"), REDACT, {"NAME_1": "Maria Lopez"}
    )
    assert texts_of(screened.conversation) == ["Patient [NAME_1]", "Is it about [NAME_1]?", "Yes"]


async def test_two_keys_that_would_read_the_same_are_refused_and_neither_dropped() -> None:
    told = {"Maria Lopez": 1, "[NAME_1]": 2}
    conversation = Conversation(
        (Turn("user", (Text("Patient Maria Lopez"),)), Turn("assistant", (ToolUse("t1", "look", told),))), SAMPLING
    )
    with pytest.raises(ValidationFailedError) as refused:
        await GUARD.screen(conversation, but(REDACT, restore_answers=False))
    assert refused.value.param == "messages[1].content[0].input"


async def test_offsets_in_citations_are_no_numbers_of_a_person() -> None:
    citation = {"type": "char_location", "cited_text": "Maria Lopez", "start_char_index": 83702, "zip": "83702"}
    told = Text("Patient Maria Lopez, ZIP 83702", citations=(citation,))
    screened = await GUARD.screen(Conversation((Turn("assistant", (told,)),), SAMPLING), REDACT)
    (block,) = screened.conversation.turns[0].blocks
    assert isinstance(block, Text)
    assert block.citations == (
        {"type": "char_location", "cited_text": "[NAME_1]", "start_char_index": 83702, "zip": "[ZIP_1]"},
    )


@settings(max_examples=40, deadline=None)
@given(TURNS)
async def test_a_guard_that_remembers_says_what_one_that_does_not_would_say(turns: list[str]) -> None:
    remembering = Guard(RuleDetector())
    for length in range(1, len(turns) + 1):
        conversation = said(*turns[:length])
        remembered = await remembering.screen(conversation, REDACT)
        fresh = await Guard(RuleDetector()).screen(conversation, REDACT)
        assert remembered.conversation == fresh.conversation
        assert remembered.report == fresh.report
        assert remembered.placeholders == fresh.placeholders


async def test_what_is_remembered_is_remembered_of_one_policy_only() -> None:
    guard = Guard(RuleDetector())
    told = said("Patient Maria Lopez of Bluebird", "Noted.", "Lopez again")
    before = await guard.screen(told, REDACT)
    for screening in (
        Screening(deny_terms=("Bluebird",)),
        Screening(allow_terms=("Maria Lopez",)),
        Screening(Profile.CUSTOM, frozenset({Entity.US_SSN})),
    ):
        after = await guard.screen(told, but(REDACT, screening=screening))
        assert (
            after.conversation
            == (await Guard(RuleDetector()).screen(told, but(REDACT, screening=screening))).conversation
        )
        assert after.conversation != before.conversation
