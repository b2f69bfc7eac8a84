"""Time-stamps in exports, against OpenSSL's own authority."""

import io
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.audit import Flaw
from gateway.audit.checkpoints import Anchor
from gateway.audit.export_format import read_keys
from gateway.audit.verdicts import ExportVerdict
from gateway.audit.verifying import verify_export
from gateway.timestamps.stamps import Authorities, read_time_stamp
from tests.timestamp_authority import TimestampAuthority
from tests.unit.audit.exports import BEGIN, Log, keys_document, make_log, write_export

LOG = make_log(Random(1), length=5)
SINCE = BEGIN - timedelta(days=30)


def authority_in(folder: Path, *, until: datetime = SINCE + timedelta(days=3650)) -> TimestampAuthority:
    folder.mkdir()
    return TimestampAuthority(folder, since=SINCE, until=until)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimestampAuthority:
    return authority_in(tmp_path_factory.mktemp("authority") / "tsa")


def anchored(log: Log, *responses: tuple[int, bytes], **changes: Any) -> bytes:
    anchors = [
        Anchor(
            seq, log.entries[seq - 1].seal.hash, response, BEGIN, "https://tsa.example/tsr", "https://tsa.example/ca"
        )
        for seq, response in responses
    ]
    made = datetime.now(UTC) + timedelta(minutes=1)
    return write_export(log, first=1, last=len(log.entries), anchors=anchors, exported_at=made, **changes).encode()


def stamp(authority: TimestampAuthority, seq: int) -> tuple[int, bytes]:
    return seq, authority.stamp(LOG.entries[seq - 1].seal.hash)


def judged(export: bytes, authorities: Authorities | None) -> ExportVerdict:
    return verify_export(io.BytesIO(export), keys=read_keys(keys_document(LOG)), authorities=authorities)


def trusting(authority: TimestampAuthority) -> Authorities:
    return Authorities.from_pem(authority.ca_file.read_bytes())


def test_time_stamps_by_a_trusted_authority_hold(authority: TimestampAuthority) -> None:
    verdict = judged(anchored(LOG, stamp(authority, 3), stamp(authority, 5)), trusting(authority))

    assert verdict.flaw is None
    assert (verdict.time_stamps, verdict.time_stamps_verified) == (2, 2)


def test_without_authorities_none_counts_as_verified(authority: TimestampAuthority) -> None:
    verdict = judged(anchored(LOG, stamp(authority, 3)), None)

    assert verdict.flaw is None
    assert (verdict.time_stamps, verdict.time_stamps_verified) == (1, 0)


def test_another_authoritys_time_stamp_does_not_hold(authority: TimestampAuthority, tmp_path: Path) -> None:
    stranger = authority_in(tmp_path / "stranger")

    flaw = judged(anchored(LOG, stamp(authority, 2), stamp(stranger, 4)), trusting(authority)).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.MISSTAMPED, 4)


def test_an_authority_whose_certificate_had_expired_stamped_nothing(tmp_path: Path) -> None:
    expired = authority_in(tmp_path / "expired", until=datetime.now(UTC) - timedelta(days=1))

    flaw = judged(anchored(LOG, stamp(expired, 4)), trusting(expired)).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.MISSTAMPED, 4)


def test_a_time_stamp_of_something_else_does_not_hold(authority: TimestampAuthority) -> None:
    flaw = judged(anchored(LOG, (4, stamp(authority, 3)[1])), trusting(authority)).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.MISSTAMPED, 4)


def test_no_byte_of_a_time_stamp_can_change_its_meaning(authority: TimestampAuthority) -> None:
    trusted, (_, response) = trusting(authority), stamp(authority, 3)
    message = LOG.entries[2].seal.hash
    honest = read_time_stamp(response)
    random = Random(2)
    for _ in range(300):
        broken = bytearray(response)
        broken[random.randrange(len(response))] ^= 1 << random.randrange(8)
        try:
            found = read_time_stamp(bytes(broken))
        except ValueError:
            continue
        assert found.at == honest.at or not trusted.stamped(found, message)
        assert not trusted.stamped(found, message[::-1])


@pytest.mark.parametrize("response", [b"", b"x", b"\x30\x03\x02\x01\x02", b"\x30\x80" * 5000])
def test_what_is_no_time_stamp_is_refused(response: bytes) -> None:
    export = json.loads(anchored(LOG, (3, b"x")))
    assert export["verification"]["tsa_anchor_chain"][0]["tsa_tsr_base64"] == b64encode(b"x").decode()

    with pytest.raises(ValueError, match="not a time-stamp"):
        read_time_stamp(response)


def test_an_unreadable_time_stamp_is_a_flaw_of_the_entry_it_is_of() -> None:
    flaw = judged(anchored(LOG, (3, b"x")), None).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.MISSTAMPED, 3)


def test_a_time_stamp_made_after_the_export_is_refused(authority: TimestampAuthority) -> None:
    head, response = LOG.entries[2].seal.hash, stamp(authority, 3)[1]
    anchor = Anchor(3, head, response, BEGIN, "https://tsa.example/tsr", "https://tsa.example/ca")
    early = write_export(LOG, first=1, last=5, anchors=[anchor])

    flaw = judged(early.encode(), trusting(authority)).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.BACKDATED, 3)


def test_time_stamps_out_of_order_are_refused(authority: TimestampAuthority) -> None:
    earlier, later = stamp(authority, 4), stamp(authority, 2)
    while read_time_stamp(later[1]).at == read_time_stamp(earlier[1]).at:  # they count in seconds
        later = stamp(authority, 2)

    flaw = judged(anchored(LOG, later, earlier), trusting(authority)).flaw

    assert flaw is not None
    assert (flaw.flaw, flaw.seq) == (Flaw.BACKDATED, 4)


def test_a_file_without_a_root_certificate_is_refused(authority: TimestampAuthority) -> None:
    signer = authority.ca_file.with_name("tsa.pem").read_bytes()

    with pytest.raises(ValueError, match="no root certificate"):
        Authorities.from_pem(signer)
