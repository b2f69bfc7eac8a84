"""What an organisation chooses: its profile, its threshold, its own terms, and what becomes of answers."""

from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from gateway.completion import AnswerBlock
from gateway.conversation import Conversation, Text, Thinking, Tool, ToolUse, Turn
from gateway.errors import PhiInToolSchemaError, UnavailableError, ValidationFailedError
from gateway.phi.detector import DetectorError, Span
from gateway.phi.findings import Entity
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.phi.screening import Profile, Screening
from gateway.tenancy import PhiMode
from tests.unit.phi.conversations import access_with, said, with_block

GUARD = Guard(RuleDetector())
NOTE = (
    "Patient Maria Lopez, MRN 00153497, seen on 03/04/2021, lives at 88 Harbor View Ave, Boise, ID 83702, aged 94. "
    "Call 212-555-0100."
)


async def masked(text: str, screening: Screening) -> str:
    screened = await GUARD.screen(said(text), access_with(screening=screening))
    (block,) = screened.conversation.turns[0].blocks
    assert isinstance(block, Text)
    return block.text


async def test_safe_harbor_masks_dates_and_places_too() -> None:
    assert await masked(NOTE, Screening()) == (
        "Patient [NAME_1], MRN [MRN_1], seen on [DATE_1], lives at [ADDRESS_1], [LOCATION_1], ID [ZIP_1], "
        "aged [AGE_1]. Call [PHONE_1]."
    )


async def test_a_limited_data_set_keeps_dates_ages_towns_and_zip_codes() -> None:
    assert await masked(NOTE, Screening(Profile.LIMITED_DATA_SET)) == (
        "Patient [NAME_1], MRN [MRN_1], seen on 03/04/2021, lives at [ADDRESS_1], Boise, ID 83702, aged 94. "
        "Call [PHONE_1]."
    )


async def test_a_custom_profile_masks_the_kinds_it_names() -> None:
    chosen = Screening(Profile.CUSTOM, frozenset({Entity.PERSON, Entity.US_ZIP}))
    assert await masked(NOTE, chosen) == (
        "Patient [NAME_1], MRN 00153497, seen on 03/04/2021, lives at 88 Harbor View Ave, Boise, ID [ZIP_1], aged 94. "
        "Call 212-555-0100."
    )


class Doubting:
    """Finds one span of the score it is given, in the first word of each text."""

    def __init__(self, score_milli: int) -> None:
        self._score = score_milli

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        return [[Span(0, 4, Entity.PERSON, self._score)] for _ in texts]


@pytest.mark.parametrize(
    ("score", "threshold", "counts"),
    [(450, 500, False), (450, 450, True), (450, 400, True), (600, 500, True), (600, 700, False), (700, 700, True)],
)
async def test_a_finding_counts_from_the_threshold_on(score: int, threshold: int, counts: bool) -> None:
    access = access_with(screening=Screening(threshold_milli=threshold))
    screened = await Guard(Doubting(score)).screen(said("Love is here"), access)
    assert bool(screened.report.findings) is counts


async def test_denied_terms_are_masked_as_whole_words_in_any_case() -> None:
    screening = Screening(deny_terms=("Project Bluebird", "zanzibar"))
    assert await masked("PROJECT  bluebird and Zanzibar, not zanzibari.", screening) == (
        "[TERM_1] and [TERM_2], not zanzibari."
    )


async def test_a_denied_term_is_refused_where_it_cannot_be_masked() -> None:
    access = access_with(screening=Screening(deny_terms=("bluebird",)))
    with pytest.raises(ValidationFailedError):
        await GUARD.screen(with_block(ToolUse("t1", "ask_bluebird", {})), access)
    tool = Tool("ask", {"type": "object"}, description="Asks the bluebird.")
    with pytest.raises(PhiInToolSchemaError):
        await GUARD.screen(said("Hello", tools=(tool,)), access)


async def test_allowed_terms_stay_and_what_goes_beyond_them_does_not() -> None:
    screening = Screening(allow_terms=("Maria Lopez", "88 Harbor View Ave"))
    assert await masked("Patient Maria Lopez is here. Patient Ana Maria Lopez Ruiz.", screening) == (
        "Patient Maria Lopez is here. Patient [NAME_1]."
    )


async def test_a_denied_term_wins_over_an_allowed_one() -> None:
    screening = Screening(deny_terms=("lopez",), allow_terms=("Maria Lopez",))
    assert await masked("Patient Maria Lopez", screening) == "Patient Maria [TERM_1]"


async def test_allowed_terms_may_stand_in_tool_definitions() -> None:
    tool = Tool("ask", {"type": "object"}, description="Asks Dr. Peter Chen.")
    with pytest.raises(PhiInToolSchemaError):
        await GUARD.screen(said("Hello", tools=(tool,)), access_with())
    allowing = access_with(screening=Screening(allow_terms=("peter chen",)))
    assert (await GUARD.screen(said("Hello", tools=(tool,)), allowing)).report.action == "none"


def test_terms_are_not_shown_when_a_policy_is() -> None:
    assert "Lopez" not in repr(access_with(screening=Screening(deny_terms=("Lopez",), allow_terms=("Lopez",))))


REVIEWED: tuple[AnswerBlock, ...] = (
    Text("Ask Dr. Peter Chen about [NAME_1], SSN [SSN_1]."),
    ToolUse("t1", "look", {"ssn": "917-44-8123"}),
    Thinking("Patient Maria Lopez", "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk+/w=="),
)


async def test_a_review_tells_where_a_model_wrote_phi_and_leaves_placeholders_out() -> None:
    found = await GUARD.review(REVIEWED, access_with())
    assert [(finding.slot, finding.entity, finding.placeholder) for finding in found] == [
        ("answer.content[0].text", "PERSON", None),
        ("answer.content[1].input[0]", "US_SSN", None),
        ("answer.content[2].thinking", "PERSON", None),
    ]


async def test_a_review_reads_what_the_profile_masks() -> None:
    chosen = access_with(screening=Screening(Profile.CUSTOM, frozenset({Entity.US_SSN})))
    assert {finding.entity for finding in await GUARD.review(REVIEWED, chosen)} == {"US_SSN"}


async def test_a_review_that_fails_says_so() -> None:
    class Broken:
        async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
            raise DetectorError("down")

    with pytest.raises(UnavailableError):
        await Guard(Broken()).review(REVIEWED, access_with())


@pytest.mark.parametrize("mode", list(PhiMode))
async def test_an_inspection_shows_what_redacting_would_do_in_every_mode(mode: PhiMode) -> None:
    inspected = await GUARD.inspect("Patient Maria Lopez, SSN 917-44-8123", access_with(phi_mode=mode))
    assert inspected.redacted == "Patient [NAME_1], SSN [SSN_1]"
    assert [(each.slot, each.start, each.end, each.placeholder) for each in inspected.findings] == [
        ("text", 8, 19, "[NAME_1]"),
        ("text", 25, 36, "[SSN_1]"),
    ]


async def test_an_inspection_of_text_without_phi_returns_it_as_it_is() -> None:
    assert (await GUARD.inspect("What does a Murphy sign mean?", access_with())).redacted == (
        "What does a Murphy sign mean?"
    )
    assert (await GUARD.inspect("", access_with())).redacted == ""


@pytest.mark.parametrize(
    "name",
    ["lookup_Maria_Lopez", "lookup_maria_lopez", "lookupMariaLopez", "maria-lopez-chart", "records.MariaLopez"],
)
async def test_a_name_inside_an_identifier_is_seen(name: str) -> None:
    with pytest.raises(PhiInToolSchemaError):
        await GUARD.screen(said("Hello", tools=(Tool(name, {"type": "object"}),)), access_with())
    schema: dict[str, JsonValue] = {"type": "object", "properties": {name: {"type": "string"}}}
    with pytest.raises(PhiInToolSchemaError):
        await GUARD.screen(said("Hello", tools=(Tool("look", schema),)), access_with())
    with pytest.raises(ValidationFailedError):
        await GUARD.screen(
            Conversation((Turn("assistant", (ToolUse("t1", name, {}),)),), said("x").sampling), access_with()
        )


EVERYDAY_TOOLS = [
    "get_weather",
    "getWeather",
    "search_web",
    "web_search",
    "WebFetch",
    "Bash",
    "Read",
    "Write",
    "Edit",
    "MultiEdit",
    "NotebookEdit",
    "TodoWrite",
    "Glob",
    "Grep",
    "LS",
    "mcp__github__create_issue",
    "mcp__slack__post_message",
    "mcp__postgres__query",
    "list_files",
    "read_file",
    "write_file",
    "run_command",
    "execute_python",
    "code_interpreter",
    "computer_use",
    "text_editor",
    "str_replace_based_edit_tool",
    "send_email",
    "create_calendar_event",
    "search_pubmed",
    "lookup_icd10",
    "get_patient_record",
    "find_patient_by_mrn",
    "order_lab_test",
    "prescribe_medication",
    "check_drug_interactions",
    "calculate_bmi",
    "calculate_gfr",
    "fhir_search",
    "fhir_read",
    "fhir.Patient.search",
    "epic-sandbox-read",
    "cerner_millennium_query",
    "schedule_appointment",
    "book_room",
    "fetch_vitals",
    "get_chart_notes",
    "summarize_note",
    "translate_text",
    "retrieve_documents",
    "vector_search",
    "query_knowledge_base",
    "transfer_to_agent",
    "handoff_to_billing",
    "submit_claim",
    "verify_insurance",
    "get_stock_price",
    "convert_currency",
    "playwright_browser_click",
    "browser_navigate",
    "take_screenshot",
    "jira_create_ticket",
    "linear_update_issue",
    "notion_search_pages",
    "google_drive_search",
    "microsoft_teams_post",
    "stripe_create_refund",
    "sentry_get_issue",
    "grace_period_check",
    "mark_done",
    "will_call",
]


@pytest.mark.parametrize("name", EVERYDAY_TOOLS)
async def test_an_everyday_tool_name_is_no_name_of_a_person(name: str) -> None:
    schema: dict[str, JsonValue] = {"type": "object", "properties": {name: {"type": "string"}}}
    tool = Tool(name, schema, description=f"Calls {name}.")
    screened = await GUARD.screen(said("Hello", tools=(tool,)), access_with())
    assert screened.report.action == "none"
