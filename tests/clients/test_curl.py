"""The first thing anybody tries, as docs/clients.md has it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import orjson
import pytest

from tests.grammar import read_events

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"


def documented() -> str:
    """The command under the heading `curl`."""
    found = re.search(r"\n    (curl .*?)\n\n", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def output_of(command: str, facts: dict[str, str]) -> bytes:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    environment = {"PATH": os.environ["PATH"], "HASP_URL": facts["base_url"], "HASP_KEY": facts["key"]}
    return subprocess.run(
        ["/bin/sh", "-c", command], env=environment, check=True, capture_output=True, timeout=30
    ).stdout


def test_the_documented_command_answers(facts: dict[str, str]) -> None:
    assert orjson.loads(output_of(documented(), facts))["content"] == [{"type": "text", "text": "Echo: Hello"}]


def test_it_streams_when_it_is_asked_to(facts: dict[str, str]) -> None:
    streaming = documented().replace("curl ", "curl -N ", 1).replace('{"model"', '{"stream":true,"model"')

    names = [event.name for event in read_events(output_of(streaming, facts))]

    assert (names[0], names[-1]) == ("message_start", "message_stop")
