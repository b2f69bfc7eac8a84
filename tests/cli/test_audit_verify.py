"""`hasp audit verify EXPORT`: one file, its keys and its authorities, and nothing else."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from gateway.audit.checkpoints import Anchor, sign_checkpoint
from storage.audit_checkpoints import described
from tests.commands import run_hasp
from tests.timestamp_authority import TimestampAuthority
from tests.unit.audit.exports import BEGIN, ORG, Log, keys_document, make_log, write_export

LOG = make_log(Random(1), length=5)


def verify(*arguments: object) -> subprocess.CompletedProcess[str]:
    """With no setting at all, and in no folder of the project's."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return run_hasp("audit", "verify", *map(str, arguments), env=environ, cwd="/")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return written(tmp_path / "export.json", write_export(LOG, first=2, last=5))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return written(tmp_path / "keys.json", json.dumps(keys_document(LOG)))


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_sound_export_needs_no_more_than_its_keys(export: Path, keys: Path) -> None:
    answer = verify(export, "--keys", keys)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"ok    {ORG}  entries 2 to 5  head {LOG.entries[4].seal.hash}\n")
    assert "keys: published" in answer.stdout


def test_unconfirmed_keys_are_said_to_be_so(export: Path) -> None:
    answer = verify(export)

    assert answer.returncode == 0
    assert "NOT CONFIRMED" in answer.stdout


def test_the_first_bad_entry_is_named_in_one_line(export: Path, keys: Path) -> None:
    text = export.read_text()
    bad = text.replace(
        f'"created_at":"{LOG.entries[2].entry.at.isoformat()}', '"created_at":"2020-01-01T00:00:00.000000+00:00'
    )
    export.write_text(bad)

    answer = verify(export, "--keys", keys)

    assert (answer.returncode, answer.stderr) == (1, "")
    assert answer.stdout.startswith(f"BAD   {ORG}  changed at entry 3 ({LOG.entries[2].entry.id}): ")
    assert answer.stdout.count("\n") == 1


def test_the_report_as_json_has_the_same(export: Path, keys: Path) -> None:
    sound = verify(export, "--keys", keys, "--json")
    export.write_text(export.read_text().replace('"entry_count":4', '"entry_count":9'))
    bad = verify(export, "--keys", keys, "--json")

    assert (sound.returncode, bad.returncode) == (0, 1)
    assert json.loads(sound.stdout) == {
        "sound": True,
        "organization": ORG,
        "first_seq": 2,
        "entries": 4,
        "head": LOG.entries[4].seal.hash,
        "keys": "published",
        "time_stamps": 0,
        "time_stamps_verified": 0,
        "checkpoints": 0,
        "checkpoints_compared": 0,
        "flaw": None,
    }
    flaw = json.loads(bad.stdout)["flaw"]
    assert (flaw["kind"], flaw["seq"], flaw["entry_id"]) == ("truncated", 6, None)


def test_time_stamps_are_verified_against_the_file_of_authorities(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "tsa").mkdir()
    authority = TimestampAuthority(tmp_path / "tsa", since=BEGIN, until=BEGIN + timedelta(days=3650))
    head = LOG.entries[4].seal.hash
    anchor = Anchor(5, head, authority.stamp(head), BEGIN, "https://tsa.example/tsr", "https://tsa.example/ca.pem")
    stamped = write_export(LOG, first=1, last=5, anchors=[anchor], exported_at=datetime.now(UTC) + timedelta(hours=1))
    export = written(tmp_path / "stamped.json", stamped)

    with_authority = verify(export, "--keys", keys, "--ca", authority.ca_file)
    without = verify(export, "--keys", keys)

    assert "time-stamps: 1 verified\n" in with_authority.stdout
    assert "1 NOT CHECKED" in without.stdout


def told(path: Path, seq: int, *, log: Log = LOG) -> Path:
    """The event `audit.checkpoint` of entry `seq`, as a customer kept it."""
    sealed = log.entries[seq - 1]
    kept = sign_checkpoint(log.keys[-1], ORG, seq=seq, head=sealed.seal.hash, at=sealed.sealed_at)
    return written(path, json.dumps({"type": "audit.checkpoint", "data": described(kept)}))


def test_an_export_is_held_to_checkpoints_that_were_kept(tmp_path: Path, export: Path, keys: Path) -> None:
    last, early = told(tmp_path / "last", 5), told(tmp_path / "early", 1)

    answer = verify(export, "--keys", keys, "--checkpoint", last, "--checkpoint", early)

    assert answer.returncode == 0
    assert answer.stdout.endswith("      checkpoints: 2 hold\n")


def test_another_history_under_the_same_key_is_caught_by_a_kept_checkpoint(
    tmp_path: Path, export: Path, keys: Path
) -> None:
    another = told(tmp_path / "kept", 3, log=make_log(Random(2), length=5))

    answer = verify(export, "--keys", keys, "--checkpoint", another)

    assert answer.returncode == 1
    assert answer.stdout.startswith(f"BAD   {ORG}  forked at entry 3: ")


@pytest.mark.parametrize("broken", ["export", "keys", "ca", "checkpoint", "absent"])
def test_what_cannot_be_read_is_told_in_one_line_without_its_content(
    tmp_path: Path, export: Path, keys: Path, broken: str
) -> None:
    junk = written(tmp_path / "junk", '{"secret": 1')
    arguments: dict[str, list[object]] = {
        "export": [junk, "--keys", keys],
        "keys": [export, "--keys", junk],
        "ca": [export, "--ca", junk],
        "checkpoint": [export, "--checkpoint", junk],
        "absent": [tmp_path / "absent"],
    }

    answer = verify(*arguments[broken])

    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith("hasp: ")
    assert answer.stderr.count("\n") == 1
    assert "secret" not in answer.stderr


def test_options_of_one_way_do_not_go_with_the_other(export: Path) -> None:
    assert verify("--json").returncode == 2
    assert verify(export, "--org", ORG).returncode == 2
