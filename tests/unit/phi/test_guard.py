"""What leaves the gateway, and what is said about it."""

import asyncio
import logging
import random
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence

import orjson
import pytest
from pydantic import JsonValue

from gateway.completion import Completion, StopReason, Usage
from gateway.conversation import (
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Text,
    Thinking,
    ToolUse,
    Turn,
)
from gateway.errors import (
    FeatureNotEligibleError,
    PhiBlockedError,
    PhiInToolSchemaError,
    TooLargeError,
    UnavailableError,
    ValidationFailedError,
)
from gateway.packed_reasoning import PackedReasoning, pack
from gateway.phi.detector import DetectorError, Span
from gateway.phi.findings import Entity
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.phi.passages import Reader, Rewriter
from gateway.phi.pool import OverloadedError
from gateway.phi.report import ScreenBlockedError
from gateway.phi.slots import visit
from gateway.tenancy import Access, PhiMode
from tests.unit.phi.conversations import (
    SAMPLING,
    access_with,
    but,
    in_every_content_slot,
    in_every_definition,
    in_every_identifier,
    said,
    with_block,
)

CANARY = "917-44-8123"
PNG = "iVBORw0KGgoAAAANSUhEUg=="
PDF = "JVBERi0xLjcK"
REDACT, BLOCK, ALLOW = (access_with(phi_mode=mode) for mode in PhiMode)
GUARD = Guard(RuleDetector())


def texts_of(conversation: Conversation) -> list[str]:
    return [block.text for turn in conversation.turns for block in turn.blocks if isinstance(block, Text)]


def everything_in(conversation: Conversation) -> str:
    return orjson.dumps(conversation).decode()


@pytest.mark.parametrize(("path", "conversation"), list(in_every_content_slot(f"reach {CANARY} now")))
async def test_a_canary_is_masked_wherever_text_can_stand(path: str, conversation: Conversation) -> None:
    screened = await GUARD.screen(conversation, REDACT)
    assert CANARY not in everything_in(screened.conversation)
    assert "[SSN_1]" in everything_in(screened.conversation)
    (finding,) = screened.report.findings
    assert (finding.slot, finding.entity, finding.placeholder) == (path, "US_SSN", "[SSN_1]")
    assert (finding.start, finding.end) == (6, 17)
    assert screened.report.action == "redacted"
    assert screened.report.redaction_count == 1


@pytest.mark.parametrize(("path", "conversation"), list(in_every_content_slot(f"reach {CANARY} now")))
async def test_block_mode_refuses_a_canary_wherever_text_can_stand(path: str, conversation: Conversation) -> None:
    with pytest.raises(PhiBlockedError) as refused:
        await GUARD.screen(conversation, BLOCK)
    assert refused.value.param == path
    assert refused.value.details == {"entity_types": ["US_SSN"]}
    assert isinstance(refused.value, ScreenBlockedError)
    assert [finding.slot for finding in refused.value.report.findings] == [path]
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(("path", "conversation"), list(in_every_definition(f"reach {CANARY} now")))
@pytest.mark.parametrize("access", [REDACT, BLOCK, ALLOW])
async def test_phi_in_a_definition_is_an_error_in_every_mode(
    path: str, conversation: Conversation, access: Access
) -> None:
    with pytest.raises(PhiInToolSchemaError) as refused:
        await GUARD.screen(conversation, access)
    assert refused.value.param == path


@pytest.mark.parametrize(("path", "conversation"), list(in_every_identifier(CANARY)))
async def test_phi_in_an_identifier_is_refused_because_it_cannot_be_masked(
    path: str, conversation: Conversation
) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        await GUARD.screen(conversation, REDACT)
    assert refused.value.param == path
    with pytest.raises(PhiBlockedError):
        await GUARD.screen(conversation, BLOCK)


async def test_text_without_phi_comes_back_as_the_same_object() -> None:
    conversation = said("What does a Murphy sign mean?")
    screened = await GUARD.screen(conversation, REDACT)
    assert screened.conversation is conversation
    assert screened.report.action == "none"
    assert not screened.restorer.active


async def test_allow_mode_reports_and_sends_as_is() -> None:
    conversation = said(f"SSN {CANARY}")
    screened = await GUARD.screen(conversation, ALLOW)
    assert screened.conversation is conversation
    assert (screened.report.action, screened.report.redaction_count) == ("allowed", 0)
    assert [finding.placeholder for finding in screened.report.findings] == [None]
    assert not screened.restorer.active


async def test_numbers_in_tool_inputs_are_masked_too() -> None:
    screened = await GUARD.screen(with_block(ToolUse("t1", "look", {"ssn": 917448123, "count": 3})), REDACT)
    (block,) = screened.conversation.turns[0].blocks
    assert isinstance(block, ToolUse)
    assert block.input == {"ssn": "[SSN_1]", "count": 3}


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ({"patient": "Maria Lopez", "age": 94}, {"patient": "[NAME_1]", "age": "[AGE_1]"}),
        ({"mrn": 4123}, {"mrn": "[MRN_1]"}),
        ({"zip": 2139}, {"zip": "[ZIP_1]"}),
        (
            {"patient": "Maria Lopez", "pulse": 94, "weight_kg": 81.5, "age": 45, "smoker": False, "ward": None},
            {"patient": "[NAME_1]", "pulse": 94, "weight_kg": 81.5, "age": 45, "smoker": False, "ward": None},
        ),
    ],
)
async def test_a_number_is_masked_by_what_it_says_and_not_by_its_length(
    value: dict[str, JsonValue], masked: dict[str, JsonValue]
) -> None:
    conversation = with_block(ToolUse("t1", "look", value))
    screened = await GUARD.screen(conversation, REDACT)
    (block,) = screened.conversation.turns[0].blocks
    assert isinstance(block, ToolUse)
    assert block.input == masked
    with pytest.raises(PhiBlockedError):
        await GUARD.screen(conversation, BLOCK)


async def test_a_finding_that_is_in_no_slot_fails_the_request() -> None:
    class Odd:
        async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
            return [[Span(0, 1, Entity.PERSON, 900)] if text.startswith("{") else [] for text in texts]

    for access in (REDACT, BLOCK, ALLOW):
        with pytest.raises(UnavailableError):
            await Guard(Odd()).screen(with_block(ToolUse("t1", "look", {"q": "a"})), access)


async def test_a_key_types_its_value() -> None:
    call = ToolUse("t1", "look", {"patient": {"family": "Love", "given": "Rich", "birthDate": "1980-03-04"}})
    screened = await GUARD.screen(with_block(call), REDACT)
    assert "Love" not in everything_in(screened.conversation)
    assert "Rich" not in everything_in(screened.conversation)
    assert "1980" not in everything_in(screened.conversation)


async def test_object_keys_that_differ_only_in_case_stay_distinct() -> None:
    call = ToolUse("t1", "look", {"Maria Lopez": 1, "MARIA LOPEZ": 2})
    screened = await GUARD.screen(with_block(Text("Patient Maria Lopez"), call), REDACT)
    block = screened.conversation.turns[0].blocks[1]
    assert isinstance(block, ToolUse)
    assert block.input == {"[NAME_1]": 1, "[NAME_2]": 2}


SEAL = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+/w=="


@pytest.mark.parametrize("length", [30, 48, 200, 4_000])
async def test_ciphers_of_any_length_are_taken_for_what_they_are(length: int) -> None:
    ciphers = [random.Random(seed).randbytes(length) for seed in range(200)]
    seals = [encode(cipher).decode() for cipher in ciphers for encode in (b64encode, urlsafe_b64encode)]
    conversation = Conversation((Turn("assistant", tuple(map(RedactedThinking, seals))),), SAMPLING)
    assert (await GUARD.screen(conversation, REDACT)).conversation is conversation


async def test_signed_thinking_that_quotes_placeholders_goes_back_byte_for_byte() -> None:
    packed = pack(PackedReasoning("rs_68af1", SEAL, (15,)))
    text = "about [SSN_1], as of 2024-01-15 in Boston"
    blocks = (Thinking(text, SEAL), Thinking(text, packed), Thinking("", SEAL), RedactedThinking(SEAL))
    conversation = Conversation((Turn("assistant", blocks), Turn("user", (Text(f"SSN {CANARY}"),))), SAMPLING)
    screened = await GUARD.screen(conversation, REDACT)
    assert screened.conversation.turns[0].blocks == blocks
    assert texts_of(screened.conversation) == ["SSN [SSN_2]"]  # what the reasoning calls SSN_1 is somebody else's


@pytest.mark.parametrize(
    ("block", "path"),
    [
        (Thinking(f"reach {CANARY} now", SEAL), "messages[0].content[0].thinking"),
        (Thinking("Patient Maria Lopez", SEAL), "messages[0].content[0].thinking"),
        (
            Thinking(f"reach {CANARY} now", pack(PackedReasoning("rs_1", SEAL, (21,)))),
            "messages[0].content[0].thinking",
        ),
        (Thinking("Hm", CANARY), "messages[0].content[0].signature"),
        (Thinking("Hm", pack(PackedReasoning("rs_1", CANARY, ()))), "messages[0].content[0].signature"),
        (RedactedThinking(CANARY), "messages[0].content[0].data"),
    ],
)
async def test_phi_in_what_only_looks_signed_is_found_and_never_sent(
    block: Thinking | RedactedThinking, path: str
) -> None:
    conversation = with_block(block)
    with pytest.raises(ValidationFailedError) as refused:
        await GUARD.screen(conversation, REDACT)
    assert refused.value.param == path
    with pytest.raises(PhiBlockedError) as blocked:
        await GUARD.screen(conversation, BLOCK)
    assert blocked.value.param == path
    allowed = await GUARD.screen(conversation, ALLOW)
    assert [finding.slot for finding in allowed.report.findings] == [path]


@pytest.mark.parametrize(
    ("block", "field"),
    [
        (Thinking("Hm", "Patient Maria Lopez, seen on 3 May"), "signature"),
        (Thinking("Hm", f"{SEAL}\n"), "signature"),
        (Thinking("Hm", f"openai.{SEAL}"), "signature"),
        (Thinking("Hm", "openai.e30"), "signature"),
        (Thinking("Hm", pack(PackedReasoning("Maria Lopez", SEAL, ()))), "signature"),
        (Thinking("Hm", pack(PackedReasoning("rs_1", "Patient Maria Lopez", ()))), "signature"),
        (Thinking("Hm", pack(PackedReasoning("rs_1", "", ()))), "signature"),
        (RedactedThinking("Patient Maria Lopez"), "data"),
        (RedactedThinking("Patient-Maria-Lopez-DOB-03-04-1980-SSN-917-44-8123"), "data"),
        (RedactedThinking(b64encode("Patient José Álvarez, SSN 917-44-8123".encode()).decode()), "data"),
        (RedactedThinking(b64encode(b"\xff\xfePatient Maria Lopez, SSN 917-44-8123").decode()), "data"),
        (Thinking("Hm", "PatientMariaLopezOfBoiseWithSocial917448123"), "signature"),
        (RedactedThinking(""), "data"),
    ],
)
@pytest.mark.parametrize("access", [REDACT, BLOCK, ALLOW])
async def test_plain_text_where_a_vendors_sealed_bytes_belong_is_refused(
    block: Thinking | RedactedThinking, field: str, access: Access
) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        await GUARD.screen(with_block(block), access)
    assert refused.value.param == f"messages[0].content[0].{field}"


@pytest.mark.parametrize(
    "block",
    [
        Image("image/png", PNG, None),
        Image(None, None, "https://a.example/1.png"),
        Document(media_type="application/pdf", data=PDF),
        Document(url="https://a.example/1.pdf"),
        Document(blocks=(Image("image/png", PNG, None),)),
    ],
)
async def test_unreadable_content_is_refused_unless_the_organisation_lets_it_pass(block: Image | Document) -> None:
    conversation = with_block(Text("Look"), block)
    for access in (REDACT, but(BLOCK, unscannable="pass")):
        with pytest.raises(FeatureNotEligibleError) as refused:
            await GUARD.screen(conversation, access)
        assert (refused.value.param or "").startswith("messages[0].content[1]")
    assert (await GUARD.screen(conversation, but(REDACT, unscannable="pass"))).conversation is conversation


@pytest.mark.parametrize("data", ["lookupWilhelminaFeatherstonehaugh", "917448123000", "aGk=", ""])
async def test_what_only_says_that_it_is_a_file_is_refused_even_where_files_pass(data: str) -> None:
    passing = but(REDACT, unscannable="pass")
    for block in (Image("image/png", data, None), Document(media_type="application/pdf", data=data)):
        with pytest.raises(ValidationFailedError) as refused:
            await GUARD.screen(with_block(block), passing)
        assert refused.value.param == "messages[0].content[0].source.data"


async def test_phi_in_an_image_address_is_refused_even_where_images_pass() -> None:
    conversation = with_block(Image(None, None, f"https://a.example/{CANARY}.png"))
    with pytest.raises(ValidationFailedError) as refused:
        await GUARD.screen(conversation, but(REDACT, unscannable="pass"))
    assert refused.value.param == "messages[0].content[0].source.url"


async def test_a_growing_conversation_keeps_its_masked_prefix() -> None:
    told = [
        "Patient Maria Lopez, MRN 00153497, DOB 03/04/1980, wife of Peter Lopez.",
        "Maria Lopez was born on 03/04/1980.",
        "Dr. Chen saw her on 5/6/2021; call 212-555-0100. What about Maria?",
        "Dr. Chen can be reached at 212-555-0100.",
        "Her SSN is 917-44-8123 and 00153497 is right.",
    ]
    system = (Text("You help Dr. Anna Weber."),)
    masked: list[str] = []
    for length in range(1, len(told) + 1):
        screened = await GUARD.screen(said(*told[:length], system=system, end_user="maria.lopez@a.example"), REDACT)
        now = texts_of(screened.conversation)
        assert now[:-1] == masked
        masked = now
    assert masked == [
        "Patient [NAME_2], MRN [MRN_1], DOB [DATE_1], wife of [NAME_3].",
        "[NAME_2] was born on [DATE_1].",
        "Dr. [NAME_4] saw her on [DATE_2]; call [PHONE_1]. What about [NAME_5]?",
        "Dr. [NAME_4] can be reached at [PHONE_1].",
        "Her SSN is [SSN_1] and [MRN_1] is right.",
    ]


async def test_text_that_looks_like_a_placeholder_keeps_its_number_and_comes_back_unchanged() -> None:
    screened = await GUARD.screen(said("Keep [SSN_1] and [ssn 2] as they are. SSN 917-44-8123."), REDACT)
    (masked,) = texts_of(screened.conversation)
    assert masked == "Keep [SSN_1] and [ssn 2] as they are. SSN [SSN_3]."
    answer = Completion("m", (Text(masked),), StopReason.END_TURN, Usage())
    (block,) = screened.restorer.completion(answer).blocks
    assert isinstance(block, Text)
    assert block.text == "Keep [SSN_1] and [ssn 2] as they are. SSN 917-44-8123."


async def test_an_organisation_that_keeps_placeholders_gets_the_same_numbers_next_turn() -> None:
    keep = but(REDACT, restore_answers=False)
    first = await GUARD.screen(said("SSN 917-44-8123"), keep)
    assert not first.restorer.active
    then = await GUARD.screen(said("SSN 917-44-8123", "Noted: [SSN_1].", "Good"), keep)
    assert texts_of(then.conversation) == ["SSN [SSN_1]", "Noted: [SSN_1].", "Good"]


async def test_masked_text_is_not_masked_again() -> None:
    masked = (
        "Patient [NAME_12], MRN: [MRN_10], DOB [DATE_11], account no. [ACCOUNT_22], Dr. [NAME_13]; "
        '{"mrn": "[MRN_10]", "name": "[NAME_12]", "zip": "[ZIP_10]"} call [PHONE_14], '
        "lives in [LOCATION_10], OH [ZIP_11]"
    )
    conversation = said(masked, masked)
    assert (await GUARD.screen(conversation, REDACT)).conversation is conversation


async def test_parallel_requests_never_share_values() -> None:
    async def one(number: int) -> None:
        ssn = f"{100 + number}-45-{6000 + number}"
        screened = await GUARD.screen(said(f"SSN {ssn}"), REDACT)
        answer = Completion("m", (Text("It is [SSN_1]."),), StopReason.END_TURN, Usage())
        (block,) = screened.restorer.completion(answer).blocks
        assert isinstance(block, Text)
        assert block.text == f"It is {ssn}."

    await asyncio.gather(*(one(number) for number in range(200)))


async def test_many_findings_in_one_text_are_all_replaced() -> None:
    numbers = [f"{100 + n}-45-{1000 + n}" for n in range(400)]
    screened = await GUARD.screen(said(" and ".join(numbers)), REDACT)
    assert texts_of(screened.conversation) == [" and ".join(f"[SSN_{n + 1}]" for n in range(400))]


async def test_a_failing_detector_fails_the_request() -> None:
    class Broken:
        async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
            raise DetectorError("down")

    with pytest.raises(UnavailableError):
        await Guard(Broken()).screen(said("Hello"), REDACT)
    with pytest.raises(UnavailableError):
        await Guard(Broken()).scrub("Hello")


async def test_overloaded_scanners_say_when_to_try_again() -> None:
    class Overloaded:
        async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
            raise OverloadedError

    with pytest.raises(UnavailableError) as refused:
        await Guard(Overloaded()).screen(said("Hello"), REDACT)
    assert refused.value.retry_after_s == OverloadedError.retry_after_s


async def test_scrubbing_leaves_unnumbered_placeholders() -> None:
    assert await GUARD.scrub("No user 917-44-8123 at a@b.example") == "No user [SSN] at [EMAIL]"


async def test_deeply_nested_input_is_refused_by_name() -> None:
    value: dict[str, JsonValue] = {}
    for _ in range(500):
        value = {"a": value}
    with pytest.raises(ValidationFailedError):
        await GUARD.screen(with_block(ToolUse("t1", "look", value)), REDACT)


async def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await GUARD.screen(said(f"Patient Maria Lopez, SSN {CANARY}"), REDACT)
    assert CANARY not in caplog.text
    assert "Lopez" not in caplog.text


async def test_putting_texts_in_costs_as_much_as_the_texts_and_not_their_square() -> None:
    calls = tuple(ToolUse(f"t{n}", "look", {"q": f"value {n}"}) for n in range(10_000))
    conversation = with_block(*calls)
    reader = Reader()
    visit(conversation, reader)
    texts = {leaf.path: "[ID_1]" for passage in reader.passages for leaf in passage.leaves if "value" in leaf.text}
    assert len(texts) == len(calls)
    began = time.process_time()
    rewritten = visit(conversation, Rewriter(reader.passages, texts))
    assert time.process_time() - began < 2
    assert {str(block.input) for block in rewritten.turns[0].blocks if isinstance(block, ToolUse)} == {
        "{'q': '[ID_1]'}"
    }


@pytest.mark.parametrize(
    "blocks",
    [
        [ToolUse("t1", "look", {"q": list(range(60_000))})],
        [ToolUse("t1", "look", {"q": [[] for _ in range(60_000)]})],
        [ToolUse("t1", "look", {"q": "a"})] * 12_000,
        [Text("")] * 60_000,
        [Image("image/png", PNG, None)] * 60_000,
    ],
    ids=["numbers", "empty arrays", "tool uses", "empty texts", "images"],
)
async def test_more_parts_than_a_request_may_have_are_refused_before_the_scan(blocks: list[Block]) -> None:
    for access in (but(REDACT, unscannable="pass"), BLOCK, but(ALLOW, unscannable="pass")):
        with pytest.raises(TooLargeError) as refused:
            await GUARD.screen(with_block(*blocks), access)
        assert refused.value.param == "messages"


@pytest.mark.parametrize("text_or_call", [Text("a" * 2_600_000), ToolUse("t1", "look", {"q": "a" * 2_600_000})])
async def test_more_text_than_a_model_could_read_is_refused_before_the_scan(text_or_call: Block) -> None:
    with pytest.raises(TooLargeError) as refused:
        await GUARD.screen(with_block(text_or_call, text_or_call), REDACT)
    assert refused.value.param == "messages"


async def test_a_crowd_of_findings_is_masked_and_a_multitude_refused() -> None:
    class Everywhere:
        async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
            return [[Span(n, n + 1, Entity.OTHER_ID, 900) for n in range(0, len(text), 2)] for text in texts]

    screened = await Guard(Everywhere()).screen(said("a " * 10_000), REDACT)
    assert texts_of(screened.conversation) == ["[ID_1] " * 10_000]
    with pytest.raises(TooLargeError):
        await Guard(Everywhere()).screen(said("a " * 100_001), REDACT)
