"""Names to addresses, as this machine does it, where anybody may have a name that hangs."""

import asyncio
import threading
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from gateway.outside.addresses import Address
from gateway.outside.lookup import NotPublicError, SystemLookup, find_addresses

LOOPBACK = {ip_address("127.0.0.1"), ip_address("::1")}


async def test_a_name_is_looked_up_as_this_machine_knows_it() -> None:
    lookup = SystemLookup()

    found = await lookup("localhost")

    lookup.close()
    assert set(found) & LOOPBACK


@pytest.mark.parametrize("name", ["no-such-name.invalid", "a" * 64 + ".example.com", "..", ""])
async def test_a_name_that_cannot_be_has_no_address_or_no_public_one(name: str) -> None:
    lookup = SystemLookup()

    with pytest.raises(OSError, match=r"."):
        await find_addresses(name, lookup)

    lookup.close()


async def test_only_private_addresses_are_told_from_none() -> None:
    async def lookup(_: str) -> Sequence[Address]:
        return [ip_address("10.0.0.1")]

    with pytest.raises(NotPublicError):
        await find_addresses("example.com", lookup)


async def test_names_that_hang_do_not_hold_up_one_that_was_answered_before() -> None:
    over = threading.Event()

    def resolve(name: str) -> Sequence[Address]:
        if name.startswith("hangs"):
            over.wait()
        return [ip_address("93.184.215.14")]

    lookup = SystemLookup(resolve)
    await lookup("hooks.example.com")
    hanging = [asyncio.create_task(find_addresses(f"hangs{n}.example.com", lookup)) for n in range(100)]
    await asyncio.sleep(0)

    found = [await lookup("hooks.example.com") for _ in range(3)]

    assert found == [[ip_address("93.184.215.14")]] * 3
    assert not any(task.done() for task in hanging)
    over.set()
    await asyncio.gather(*hanging)
    lookup.close()


async def test_giving_up_on_a_name_leaves_it_unanswered() -> None:
    over = threading.Event()
    asked: list[str] = []

    def resolve(name: str) -> Sequence[Address]:
        asked.append(threading.current_thread().name.rpartition("_")[0])
        if len(asked) == 2:
            over.wait()
        return []

    lookup = SystemLookup(resolve)
    await lookup("example.com")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await lookup("example.com")
    over.set()
    await lookup("example.com")

    lookup.close()
    assert asked == ["outside-first-lookup", "outside-lookup", "outside-first-lookup"]
