"""Recordings are what the vendors' SDKs of today say they are, but for those whose point is to be something else."""

from pathlib import Path

import orjson
import pytest

from gateway.catalog import Dialect
from tests.golden.dialects import DIALECTS
from tests.golden.expectations import ROOT, sources
from tests.golden.official import IS_ANSWER, IS_EVENT, IS_REQUEST, frames_of, is_shown_event

OFF_TYPE = {
    "arguments_as_an_object",
    "error_in_place_of_an_answer",
    "not_json",
    "unknown_block",
    "unknown_chunks_and_fields",
    "unknown_delta",
    "unknown_events_and_fields",
    "unknown_fields",
    "unknown_finish_reason",
    "unknown_item",
    "without_usage",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def of_the_vendor(kind: str) -> list[Path]:
    return [path for path in sources(kind) if path.stem not in OFF_TYPE]


@pytest.mark.parametrize("path", of_the_vendor("answers"), ids=name_of)
def test_a_vendor_s_answer_is_of_its_type(path: Path) -> None:
    IS_ANSWER[Dialect(path.parent.name)](orjson.loads(path.read_bytes()))


@pytest.mark.parametrize("path", of_the_vendor("streams"), ids=name_of)
def test_a_vendor_s_events_are_of_their_types(path: Path) -> None:
    for frame in frames_of(path.read_bytes()):
        IS_EVENT[Dialect(path.parent.name)](frame)


SENT = [path for path in sorted((ROOT / "requests").glob("*.*.json")) if path.name.split(".")[1] in set(DIALECTS)]


@pytest.mark.parametrize("path", [path for path in SENT if ".error." not in path.name], ids=name_of)
def test_what_a_vendor_is_sent_is_a_request_of_its_type(path: Path) -> None:
    IS_REQUEST[Dialect(path.name.split(".")[1])](orjson.loads(path.read_bytes()))


SHOWN = sorted(ROOT.glob("answers/*/*.messages.json"))


@pytest.mark.parametrize("path", SHOWN, ids=name_of)
def test_what_the_messages_surface_answers_is_anthropic_s_message(path: Path) -> None:
    message = orjson.loads(path.read_bytes())
    del message["meta"]

    IS_ANSWER[Dialect.ANTHROPIC](message)


@pytest.mark.parametrize("path", sorted(ROOT.glob("streams/*/*.messages.sse")), ids=name_of)
def test_what_the_messages_surface_streams_is_anthropic_s_events(path: Path) -> None:
    for frame in frames_of(path.read_bytes()):
        is_shown_event(frame)
