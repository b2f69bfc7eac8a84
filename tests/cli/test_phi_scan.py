"""`hasp phi scan` from outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import run_hasp

NOTE = "Öl 🩺🩺🩺🩺🩺 saw Zachary Quillfeather,\r\nSSN 219-09-4437.\n"
MASKED = "Öl 🩺🩺🩺🩺🩺 saw [NAME_1],\r\nSSN [SSN_1].\n"


def scan(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit code, output and errors. No variable of ours is set: it needs no server and no configuration."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    ran = run_hasp("phi", "scan", *arguments, env=inherited, stdin=stdin)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
def note(tmp_path: Path) -> str:
    file = tmp_path / "note.txt"
    file.write_bytes(NOTE.encode())
    return str(file)


def test_a_list_tells_kinds_and_places_without_the_values(note: str) -> None:
    code, output, errors = scan(note)

    assert (code, errors) == (1, "")
    assert [line.split()[:4] for line in output.splitlines()] == [
        ["TYPE", "PLACEHOLDER", "START", "END"],
        ["PERSON", "[NAME_1]", "13", "33"],
        ["US_SSN", "[SSN_1]", "40", "51"],
    ]
    assert "Quillfeather" not in output


def test_values_are_listed_when_asked_for(note: str) -> None:
    _, output, _ = scan(note, "--show-values")

    assert output.splitlines()[1].endswith('"Zachary Quillfeather"')


def test_the_redacted_text_is_all_that_is_printed_byte_for_byte() -> None:
    argv = [sys.executable, "-m", "cli", "phi", "scan", "-", "--redacted"]
    ran = subprocess.run(argv, input=NOTE.encode(), capture_output=True, timeout=60)

    assert (ran.returncode, ran.stdout) == (1, MASKED.encode())


def test_json_is_what_the_api_answers(note: str) -> None:
    code, output, _ = scan(note, "--json")
    data = json.loads(output)

    assert code == 1
    assert [NOTE[each["start"] : each["end"]] for each in data["entities"]] == ["Zachary Quillfeather", "219-09-4437"]
    assert (data["redacted_text"], data["redaction_count"]) == (MASKED, 2)
    assert (data["entity_types"], data["phi_profile"]) == (["PERSON", "US_SSN"], "safe_harbor")


@pytest.mark.parametrize("text", ["", "Nothing to see here.\n"])
def test_a_clean_text_is_exit_code_0(text: str) -> None:
    assert scan("-", stdin=text.encode())[:2] == (0, "No protected health information found.\n")
    assert scan("-", "--redacted", stdin=text.encode())[:2] == (0, text)


def test_a_profile_says_which_kinds_count() -> None:
    text = b"Zachary Quillfeather, SSN 219-09-4437, seen 03/04/2021"

    everything = scan("-", "--redacted", stdin=text)[1]
    dates_stay = scan("-", "--redacted", "--profile", "limited_data_set", stdin=text)[1]
    chosen = scan("-", "--redacted", "--profile", "custom", "--entity", "US_SSN", stdin=text)[1]

    assert everything == "[NAME_1], SSN [SSN_1], seen [DATE_1]"
    assert dates_stay == "[NAME_1], SSN [SSN_1], seen 03/04/2021"
    assert chosen == "Zachary Quillfeather, SSN [SSN_1], seen 03/04/2021"


def test_offsets_do_not_count_a_byte_order_mark() -> None:
    output = scan("-", "--json", stdin=b"\xef\xbb\xbfSSN 219-09-4437")[1]

    assert json.loads(output)["entities"][0]["start"] == 4


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x89PNG\x00\x00", "is not text: it has NUL bytes"),
        ("Zürich".encode("latin-1"), "is not UTF-8 at byte 1"),
        ("Zürich".encode("utf-16"), "is not text: it has NUL bytes"),
        (b"x" * 5_000_001, "has more than 5,000,000 characters"),
        ("ü".encode() * 5_000_001, "has more than 5,000,000 characters"),
        ("🩺".encode() * 5_000_001, "has more than 5,000,000 characters"),
    ],
    ids=["binary", "Latin-1", "UTF-16", "long", "long in two bytes", "long in four bytes"],
)
def test_what_cannot_be_read_is_one_line_and_exit_code_2(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    assert scan(str(file)) == (2, "", f"hasp: {file} {complaint}\n")


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none"

    assert scan(str(missing)) == (2, "", f"hasp: cannot read {missing}: No such file or directory\n")
    assert scan(str(tmp_path)) == (2, "", f"hasp: cannot read {tmp_path}: Is a directory\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-", "--threshold", "0.39"),
        ("-", "--threshold", "0.81"),
        ("-", "--threshold", "half"),
        ("-", "--profile", "everything"),
        ("-", "--profile", "custom"),
        ("-", "--entity", "US_SSN"),
        ("-", "--profile", "custom", "--entity", "CUSTOM_TERM"),
        ("-", "--profile", "custom", "--entity", "PATIENT"),
        ("-", "--json", "--redacted"),
        ("-", "--ner", "guess"),
    ],
    ids=" ".join,
)
def test_a_wrong_use_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    code, _, errors = scan(*arguments, stdin=b"SSN 219-09-4437")

    assert code == 2
    assert "Traceback" not in errors
