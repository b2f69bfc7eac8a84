"""Conversations, and the class that each is taken for."""

from dataclasses import replace

import pytest
from hypothesis import given

from gateway.auto_routing.classes import Class, Complexity, Task
from gateway.auto_routing.classifier import classified
from gateway.conversation import Conversation, Document, Image, Text, Tool, ToolResult, ToolUse, Turn
from tests.strategies import conversations
from tests.tenants import make_conversation

PICTURE = Image("image/png", "AAAA", None)
NOTE = Document(text="BP 120/80")
TOOL = Tool("look_up", {"type": "object"})
ASKED = {
    "Hi!": ("simple", "general"),
    "What is the dose of amoxicillin for a child of 20 kg?": ("simple", "general"),
    "Write a python function that reverses a list.": ("simple", "coding"),
    "Write a haiku about the night shift.": ("simple", "creative"),
    "Compare metformin and insulin.": ("simple", "analysis"),
    "Summarize the visit in detail.": ("moderate", "analysis"),
    "Refactor this function:\n```python\n" + "x = 1\n" * 80 + "```": ("moderate", "coding"),
    "Design an end-to-end architecture, step by step, to migrate our codebase to Rust.": ("complex", "coding"),
    "Give a differential diagnosis with thorough evidence, step by step.": ("complex", "analysis"),
    "1. a\n2. b\n3. c\n4. d\n5. e\n6. f\n7. g\nPlease answer all in depth.": ("complex", "general"),
    "I feel fine. " * 200: ("moderate", "general"),
}


def asked(*blocks: Text | Image | Document) -> Conversation:
    return replace(make_conversation(), turns=(Turn("user", blocks),))


@pytest.mark.parametrize("question", ASKED)
def test_a_question_is_told_by_its_words_and_its_length(question: str) -> None:
    assert classified(make_conversation(question)) == Class(Complexity(ASKED[question][0]), Task(ASKED[question][1]))


def test_a_picture_is_looked_at_whatever_is_asked_of_it() -> None:
    assert classified(asked(PICTURE, Text("Debug this code"))).task is Task.VISION


@pytest.mark.parametrize("conversation", [asked(NOTE, Text("What of this?"))])
def test_a_document_is_analysed_unless_something_else_is_asked_of_it(conversation: Conversation) -> None:
    assert classified(conversation) == Class(Complexity.MODERATE, Task.ANALYSIS)
    assert classified(make_conversation("What of this?"), has_files=True) == Class(Complexity.MODERATE, Task.ANALYSIS)
    assert classified(asked(NOTE, Text("Write a poem of it"))).task is Task.CREATIVE


def test_tools_and_a_long_history_ask_for_more() -> None:
    plain = make_conversation("And then?")
    before = tuple(Turn(role, (Text("word " * 20_000),)) for role in ("user", "assistant"))

    assert classified(plain).complexity is Complexity.SIMPLE
    assert classified(replace(plain, tools=(TOOL,))).complexity is Complexity.MODERATE
    assert classified(replace(plain, turns=before + plain.turns)).complexity is Complexity.MODERATE
    assert classified(replace(plain, turns=before + plain.turns, tools=(TOOL,))).complexity is Complexity.COMPLEX


def test_what_a_tool_answers_is_no_question() -> None:
    question = Turn("user", (Text("Write a python script."),))
    called = Turn("assistant", (ToolUse("1", "look_up", {}),))
    answer = Turn("user", (ToolResult("1", (Text("a poem, a song and a story"),)),))

    assert classified(replace(make_conversation(), turns=(question, called, answer))).task is Task.CODING


def test_a_conversation_in_which_nobody_asks_is_of_the_least_class() -> None:
    said = replace(make_conversation(), turns=(Turn("assistant", (Text("Debug python code"),)),))

    assert classified(said) == Class(Complexity.SIMPLE, Task.GENERAL)


@given(conversations())
def test_whatever_is_said_has_one_class(conversation: Conversation) -> None:
    assert classified(conversation) == classified(conversation)
