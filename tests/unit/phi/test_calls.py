"""Ids of tool calls, which look like names and numbers to a detector and are neither."""

import random
import string
from uuid import UUID

import pytest

from gateway.conversation import Block, Conversation, Text, Thinking, ToolResult, ToolUse, Turn
from gateway.errors import ValidationFailedError
from gateway.packed_reasoning import PackedReasoning, pack
from gateway.phi.calls import with_numbered_calls
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.tenancy import PhiMode
from tests.unit.phi.conversations import SAMPLING, access_with, said

GUARD = Guard(RuleDetector())
FORMS = {
    "toolu_01": (string.ascii_letters + string.digits, 22),
    "toolu_bdrk_01": (string.ascii_letters + string.digits, 22),
    "call_": (string.ascii_letters + string.digits, 24),
    "chatcmpl-tool-": (string.hexdigits.lower(), 32),
    "": (string.ascii_letters + string.digits, 9),
    "function-call-": (string.digits, 19),
    "fc_": (string.hexdigits.lower(), 50),
    "tooluse_": (string.ascii_letters + string.digits + "-_", 22),
}


def calls_of(conversation: Conversation) -> list[str]:
    return [
        block.id if isinstance(block, ToolUse) else block.tool_use_id
        for turn in conversation.turns
        for block in turn.blocks
        if isinstance(block, ToolUse | ToolResult)
    ]


def loop(*calls: str) -> Conversation:
    """Each call made and answered, one after another."""
    turns = [Turn("user", (Text("Hello"),))]
    for call in calls:
        made: tuple[Block, ...] = (ToolUse(call, "find", {}),)
        turns += [Turn("assistant", made), Turn("user", (ToolResult(call, (Text("ok"),), plain=True),))]
    return Conversation(tuple(turns), SAMPLING)


@pytest.mark.parametrize("mode", PhiMode)
@pytest.mark.parametrize("prefix", FORMS)
async def test_an_id_that_a_vendor_drew_is_never_taken_for_a_patient(prefix: str, mode: PhiMode) -> None:
    alphabet, length = FORMS[prefix]
    draw = random.Random(prefix)
    calls = [prefix + "".join(draw.choices(alphabet, k=length)) for _ in range(200)]

    screened = await GUARD.screen(loop(*calls), access_with(phi_mode=mode))

    assert screened.report.entity_types == ()
    sent = calls_of(screened.conversation)
    assert sent[::2] == sent[1::2]
    assert len(set(sent)) == len(calls)


@pytest.mark.parametrize("prefix", ["", "call_", "call_0_", "chatcmpl-tool-"])
async def test_an_id_with_a_uuid_is_never_taken_for_a_patient(prefix: str) -> None:
    draw = random.Random(prefix)
    calls = [f"{prefix}{UUID(int=draw.getrandbits(128))}" for _ in range(200)]

    screened = await GUARD.screen(loop(*calls), access_with())

    assert screened.report.entity_types == ()
    assert len(set(calls_of(screened.conversation))) == len(calls)


async def test_an_id_that_is_too_long_for_a_vendor_leaves_as_a_shorter_number() -> None:
    screened = await GUARD.screen(loop("call_" + "a1" * 32), access_with())

    assert set(calls_of(screened.conversation)) == {f"call_{1:059}"}


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("toolu_01GuOeHwVhJoAnnMiller", "toolu_000000000000000000001"),
        ("call_917448123", "call_000000001"),
        ("MariaLopez1980", "00000000000001"),
    ],
)
async def test_an_id_leaves_as_a_number_of_its_form_whatever_it_said(call: str, number: str) -> None:
    screened = await GUARD.screen(loop(call), access_with())

    assert calls_of(screened.conversation) == [number, number]


@pytest.mark.parametrize("call", ["toolu_917-44-8123", "lookup_Maria_Lopez_MRN_00153497", "call_Maria Lopez 1980"])
async def test_an_id_of_the_callers_own_making_is_read(call: str) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        await GUARD.screen(loop(call), access_with())

    assert refused.value.param in {"messages[1].content[0].id", "messages[2].content[0].tool_use_id"}


def test_the_numbers_of_a_longer_conversation_begin_with_those_of_the_shorter() -> None:
    calls = [f"toolu_{'ab' * 10}{at}" for at in range(9)]

    shorter, longer = (calls_of(with_numbered_calls(loop(*calls[:end]))) for end in (4, 9))

    assert longer[: len(shorter)] == shorter


def test_a_conversation_without_calls_is_not_copied() -> None:
    conversation = said("Hello", "Hi", "Bye")

    assert with_numbered_calls(conversation) is conversation


@pytest.mark.parametrize("mode", PhiMode)
@pytest.mark.parametrize("length", [32, 48, 50])
async def test_an_id_of_reasoning_that_a_vendor_drew_is_never_taken_for_a_patient(length: int, mode: PhiMode) -> None:
    draw = random.Random(length)
    ids = ["rs_" + "".join(draw.choices("0123456789abcdef", k=length)) for _ in range(400)]
    blocks = tuple(Thinking("Hm.", pack(PackedReasoning(each, None, (3,)))) for each in ids)

    screened = await GUARD.screen(Conversation((Turn("assistant", blocks),), SAMPLING), access_with(phi_mode=mode))

    assert screened.report.entity_types == ()
    assert screened.conversation.turns[0].blocks == blocks
