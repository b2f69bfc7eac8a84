"""`python -m tests.unit.audit.record`: makes the recorded export anew, which the published layout is held by.

What it writes counts only once the published verifier, at the head of its main branch, said VERIFIED to it:
`hasp-verify export.json --keys-file keys.json --ca-file authority.pem`.
"""

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from gateway.audit.checkpoints import Anchor
from tests.timestamp_authority import TimestampAuthority
from tests.unit.audit.exports import BEGIN, keys_document, make_log, write_export

RECORDED = Path(__file__).parent / "recorded"
_AGES = timedelta(days=365 * 80)


def main() -> None:
    """Entries of two keys, from the second one on, time-stamped within."""
    log = make_log(Random(20), length=8, eras=2)
    with tempfile.TemporaryDirectory() as folder:
        authority = TimestampAuthority(Path(folder), since=BEGIN, until=BEGIN + _AGES)
        marks = [log.entries[seq - 1].seal for seq in (5, 8)]
        responses = [authority.stamp(mark.hash) for mark in marks]
        (RECORDED / "authority.pem").write_bytes(authority.ca_file.read_bytes())
    now = datetime.now(UTC)
    anchors = [
        Anchor(mark.seq, mark.hash, response, now, "https://tsa.example/tsr", "https://tsa.example/ca.pem")
        for mark, response in zip(marks, responses, strict=True)
    ]
    export = write_export(
        log, first=2, last=8, anchors=anchors, exported_at=now, keys_url=f"https://gateway.example/trust/keys/{log.org}"
    )
    (RECORDED / "export.json").write_text(export)
    (RECORDED / "keys.json").write_text(json.dumps(keys_document(log), indent=1) + "\n")


if __name__ == "__main__":
    main()
