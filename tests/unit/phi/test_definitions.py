"""Which tool definitions pass the guard: programmers' words do, a patient's name does not."""

from dataclasses import replace

import pytest
from pydantic import JsonValue

from gateway.conversation import Text, Tool
from gateway.errors import PhiInToolSchemaError
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.tenancy import PhiMode
from tests.unit.phi.conversations import access_with, said

REDACT = access_with(phi_mode=PhiMode.REDACT)
GUARD = Guard(RuleDetector())


async def test_an_everyday_tool_definition_passes() -> None:
    schema: dict[str, JsonValue] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "date": {"type": "string", "description": "ISO date, e.g. 2024-01-15"},
            "patient_name": {"type": "string", "description": "The patient's full name"},
            "mrn": {"type": "string", "description": "Medical record number of the patient"},
            "dob": {"type": "string", "format": "date"},
        },
        "required": ["location", "patient_name"],
    }
    tool = Tool("get_patient_record", schema, description="Look up a patient by name, MRN and date of birth.")
    conversation = replace(said("Hello"), tools=(tool,))
    assert (await GUARD.screen(conversation, REDACT)).conversation is conversation


async def test_a_definition_may_name_limits_of_numbers_and_the_assistant() -> None:
    lines: dict[str, JsonValue] = {
        "type": "integer",
        "maximum": 9007199254740991,
        "description": "Lines to read (max 600000 at once), in milliseconds: Timeout Ms",
    }
    description = "Allows Claude Code to read images, as set in .claude/settings.json or CLAUDE.md. Claude sees them."
    tool = Tool("Read", {"type": "object", "properties": {"lines": lines}}, description=description)
    conversation = replace(said("Hello"), tools=(tool,))
    assert (await GUARD.screen(conversation, REDACT)).conversation is conversation


async def test_a_lone_word_of_a_definition_is_no_name_whoever_the_conversation_is_about() -> None:
    tool = Tool(
        "Read", {"type": "object"}, description="Use your `Read` tool first. When editing text from Read, wait."
    )
    conversation = replace(said("Patient Oliver Read, MRN 12345678, was seen."), tools=(tool,))
    screened = await GUARD.screen(conversation, REDACT)
    assert screened.conversation.turns[0].blocks == (Text("Patient [NAME_1], MRN [MRN_1], was seen."),)
    assert screened.conversation.tools == (tool,)


@pytest.mark.parametrize("name", ["Oliver Read", "oliverRead", "Dr. Read"])
async def test_a_name_of_the_conversation_in_a_definition_is_an_error(name: str) -> None:
    tool = Tool("find", {"type": "object"}, description=f"Only for {name}.")
    conversation = replace(said("Patient Oliver Read, MRN 12345678, was seen by Dr. Read."), tools=(tool,))
    with pytest.raises(PhiInToolSchemaError):
        await GUARD.screen(conversation, REDACT)
