"""The file that names who was erased: durable line by line, and nobody's but this installation's."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import UnavailableError
from gateway.ids import EndUserId, ErasureId, OrganizationId, new_ulid
from storage.end_users.tombstones import Tombstone, Tombstones, TombstonesError, require_usable
from storage.keyring import Ring

RING = Ring({1: b"k" * 32})
AT = datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC)


def stone() -> Tombstone:
    return Tombstone(OrganizationId(new_ulid()), EndUserId(new_ulid()), "ab" * 32, ErasureId(new_ulid()), AT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tombstones"
    path.touch()
    return path


def all_of(tombstones: Tombstones) -> list[Tombstone]:
    return [*tombstones.read()]


def written(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def test_what_was_appended_is_read_in_its_order(path: Path) -> None:
    stones = [stone() for _ in range(3)]
    for each in stones:
        await Tombstones(path, RING).append(each)

    assert [*Tombstones(path, RING).read()] == stones


async def test_an_installation_without_a_file_keeps_nothing_and_refuses_nothing() -> None:
    tombstones = Tombstones(None, RING)

    await tombstones.append(stone())

    assert [*tombstones.read()] == []


async def test_many_that_append_at_once_leave_whole_lines(path: Path) -> None:
    stones = [stone() for _ in range(50)]

    await asyncio.gather(*(Tombstones(path, RING).append(each) for each in stones))

    assert {*Tombstones(path, RING).read()} == {*stones}


@pytest.mark.parametrize("length", [1, 20, 200])
async def test_what_a_crash_left_of_a_line_is_passed_over_and_spoils_no_other(path: Path, length: int) -> None:
    tombstones, first, second = Tombstones(path, RING), stone(), stone()
    await tombstones.append(first)
    whole = written(path)
    write(path, whole + whole[:length])
    assert [*tombstones.read()] == [first]

    await tombstones.append(second)

    assert [*tombstones.read()] == [first, second]


async def test_a_last_line_that_lost_its_end_of_line_counts(path: Path) -> None:
    tombstones, first, second = Tombstones(path, RING), stone(), stone()
    await tombstones.append(first)
    write(path, written(path).rstrip())
    assert [*tombstones.read()] == [first]

    await tombstones.append(second)

    assert [*tombstones.read()] == [first, second]


async def test_a_line_that_names_somebody_else_is_refused(path: Path) -> None:
    mine, other = stone(), stone()
    await Tombstones(path, RING).append(mine)
    write(path, written(path).replace(mine.end_user.encode(), other.end_user.encode()))

    with pytest.raises(TombstonesError, match="line 1: was not written by this installation"):
        all_of(Tombstones(path, RING))


async def test_a_line_of_another_installation_is_refused(path: Path) -> None:
    await Tombstones(path, Ring({1: b"x" * 32})).append(stone())

    with pytest.raises(TombstonesError, match="was not written by this installation"):
        all_of(Tombstones(path, RING))


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{}\n", b'{"mac":1}\n', b"\xff\n", b"x" * 5000 + b"\n"])
async def test_a_line_that_is_none_is_refused_and_what_follows_it_is_not_passed_over(path: Path, line: bytes) -> None:
    write(path, line)
    await Tombstones(path, RING).append(stone())

    with pytest.raises(TombstonesError, match="line 1: is no tombstone"):
        all_of(Tombstones(path, RING))


async def test_what_an_older_version_of_the_keyring_signed_is_read_after_a_rotation(path: Path) -> None:
    old = stone()
    await Tombstones(path, RING).append(old)

    assert [*Tombstones(path, Ring({**RING.keys, 2: b"n" * 32})).read()] == [old]


async def test_a_keyring_that_lacks_the_version_is_named(path: Path) -> None:
    await Tombstones(path, Ring({**RING.keys, 2: b"n" * 32})).append(stone())

    with pytest.raises(TombstonesError, match="is under version 2 of `subject`, which the keyring does not have"):
        all_of(Tombstones(path, RING))


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "not mounted"

    with pytest.raises(UnavailableError):
        await Tombstones(missing, RING).append(stone())
    with pytest.raises(TombstonesError):
        all_of(Tombstones(missing, RING))
    with pytest.raises(TombstonesError):
        require_usable(missing, to_write=False)
    assert not missing.exists()


async def test_the_file_holds_ids_and_a_digest_alone(path: Path) -> None:
    one = replace(stone(), digest="cd" * 32)
    await Tombstones(path, RING).append(one)

    assert set(json.loads(written(path))) == {*("org", "end_user", "digest", "erasure", "erased_at", "key", "mac")}
