"""Every conversion, compared with its recording. After a change that is meant: `python -m tests.golden.record`."""

import difflib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.golden.dialects import DIALECTS
from tests.golden.expectations import ROOT, Recorder, expectations, recorder, sources
from tests.grammar import assert_messages_stream, assert_native_stream, read_events


@pytest_asyncio.fixture(scope="session")
async def recording() -> AsyncIterator[Recorder]:
    async with recorder() as running:
        yield running


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("source", sources(), ids=name_of)
async def test_what_is_recorded_is_what_happens(source: Path, recording: Recorder) -> None:
    recorded, happened = expectations(source), await recording.record(source)

    assert happened == recorded, difference(recorded, happened)


@pytest.mark.parametrize("kind", ["answers", "streams", "errors"])
def test_every_dialect_has_recordings_of_every_kind(kind: str) -> None:
    assert {path.parent.name for path in sources(kind)} == set(DIALECTS)


STREAMS = [path for source in sources("streams") for path in source.parent.glob(f"{source.stem}.*.sse")]


@pytest.mark.parametrize("shown", STREAMS, ids=name_of)
def test_a_recorded_stream_keeps_its_surface_s_grammar(shown: Path) -> None:
    events = read_events(shown.read_bytes())
    failed = events[-1].name in {"error", "run.failed"}

    if shown.name.endswith(".messages.sse"):
        assert_messages_stream(events, fails=failed)
    else:
        assert_native_stream(events, fails=failed)


def difference(recorded: Mapping[str, bytes], happened: Mapping[str, bytes]) -> str:
    lines: list[str] = []
    for name in sorted(recorded.keys() | happened.keys()):
        before, after = recorded.get(name, b"").decode(), happened.get(name, b"").decode()
        lines += difflib.unified_diff(before.splitlines(), after.splitlines(), f"recorded/{name}", name, lineterm="")
    return "\n".join(lines)
