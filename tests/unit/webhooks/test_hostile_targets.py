"""No URL of a customer leads anywhere but to the public Internet: not one connection is tried elsewhere."""

import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_address

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from gateway.outside.addresses import Address
from gateway.outside.connections import Connections
from gateway.outside.lookup import NotPublicError, find_addresses
from gateway.outside.target import TargetError, read_target
from gateway.webhooks.attempts import Failure, Outgoing
from gateway.webhooks.sender import Sender
from gateway.webhooks.signing import SecretKind, SigningSecret
from tests.internet import NAME, PUBLIC, Internet
from tests.unit.webhooks.hostile_targets import NAMED, TARGETS, Hostile

SECRET = SigningSecret(SecretKind.HMAC, bytes(32))


def to(url: str) -> Outgoing:
    return Outgoing("01JD0000000000000000000000", url, b"{}", (SECRET,))


@pytest_asyncio.fixture
async def sender(internet: Internet, trusting: ssl.SSLContext) -> AsyncIterator[Sender]:
    sender = Sender(lookup=internet.lookup, tls=trusting)
    yield sender
    await sender.close()


async def accepted(_: web.BaseRequest) -> web.Response:
    return web.Response(text="ok")


def test_the_table_is_long() -> None:
    assert len(set(TARGETS)) >= 60


@pytest.mark.parametrize("hostile", TARGETS, ids=lambda hostile: ascii(hostile.url)[:60])
async def test_nothing_is_connected_to_for_a_hostile_target(
    hostile: Hostile, internet: Internet, sender: Sender
) -> None:
    internet.names = {NAMED: [list(hostile.answers)]} if hostile.answers else {}

    outcome = await sender.send(to(hostile.url))

    looked_up = NAMED in hostile.url
    assert outcome.failure is (Failure.NAME_NOT_RESOLVED if looked_up else Failure.FORBIDDEN_TARGET)
    assert (outcome.status, len(internet.asked)) == (None, looked_up)
    assert (internet.connected, await internet.strayed()) == ([], 0)


@pytest.mark.parametrize("hostile", TARGETS, ids=lambda hostile: ascii(hostile.url)[:60])
async def test_a_hostile_target_is_refused_when_it_is_registered(hostile: Hostile) -> None:
    async def lookup(_: str) -> list[Address]:
        return [ip_address(text) for text in hostile.answers]

    with pytest.raises((TargetError, NotPublicError)):
        await find_addresses(read_target(hostile.url).host, lookup)


async def test_a_socket_to_a_private_address_is_not_even_made(internet: Internet, trusting: ssl.SSLContext) -> None:
    """Behind the URL's rules and those of lookups, which would both have stopped this."""
    connections = Connections(internet.lookup, trusting, allow_private=False, renew_s=60)
    session = await connections.session()

    with pytest.raises(aiohttp.ClientConnectorError) as raised:
        await session.post("https://10.0.0.1:8443/", data=b"")

    await connections.close()
    assert isinstance(raised.value.os_error, NotPublicError)
    assert (internet.connected, await internet.strayed()) == ([], 0)


async def test_the_private_side_would_have_noticed(internet: Internet, trusting: ssl.SSLContext) -> None:
    careless = Sender(lookup=internet.lookup, tls=trusting, allow_private=True)

    outcome = await careless.send(to("https://127.0.0.1:8443/hook"))

    await careless.close()
    assert outcome.failure in {Failure.TLS_FAILED, Failure.CONNECTION_FAILED, Failure.CONNECTION_LOST}
    assert (internet.connected, await internet.strayed()) == (["127.0.0.1"], 1)


async def test_a_name_that_was_public_when_it_was_registered_is_not_connected_to_once_it_is_private(
    internet: Internet, sender: Sender
) -> None:
    internet.names = {NAMED: [[PUBLIC], ["127.0.0.1"]]}
    await find_addresses(read_target(f"https://{NAMED}/").host, internet.lookup)

    outcome = await sender.send(to(f"https://{NAMED}/"))

    assert outcome.failure is Failure.NAME_NOT_RESOLVED
    assert (internet.asked, internet.connected) == ([NAMED, NAMED], [])


async def test_a_name_that_changes_as_soon_as_it_was_looked_up_is_connected_to_where_it_was(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    internet.names = {NAME: [[PUBLIC], ["127.0.0.1"]]}

    async with internet.receiver(receiving, accepted):
        outcome = await sender.send(to(f"https://{NAME}/"))

    assert outcome.is_delivered
    assert (internet.asked, internet.connected, await internet.strayed()) == ([NAME], [PUBLIC], 0)


async def test_of_a_name_with_public_and_private_addresses_only_the_public_ones_are_tried(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext
) -> None:
    internet.names = {NAME: [["10.0.0.1", "::1", PUBLIC, "169.254.169.254"]]}

    async with internet.receiver(receiving, accepted):
        outcome = await sender.send(to(f"https://{NAME}/"))

    assert outcome.is_delivered
    assert (internet.connected, await internet.strayed()) == ([PUBLIC], 0)


async def test_where_the_public_address_is_dead_no_private_one_is_tried_instead(
    internet: Internet, sender: Sender
) -> None:
    internet.names = {NAME: [[PUBLIC, "127.0.0.1"]]}

    outcome = await sender.send(to(f"https://{NAME}/"))

    assert outcome.failure is Failure.CONNECTION_FAILED
    assert (internet.connected, await internet.strayed()) == ([PUBLIC], 0)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("location", ["https://127.0.0.1:8443/", f"https://{NAME}/elsewhere", "//169.254.169.254/"])
async def test_a_redirect_is_a_failure_and_is_not_followed(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext, status: int, location: str
) -> None:
    asked: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"location": location})

    async with internet.receiver(receiving, redirect):
        outcome = await sender.send(to(f"https://{NAME}/hook"))

    assert (outcome.failure, outcome.status) == (Failure.REDIRECTED, status)
    assert (asked, internet.connected, await internet.strayed()) == (["/hook"], [PUBLIC], 0)


async def test_a_proxy_of_the_environment_is_not_used(
    internet: Internet, sender: Sender, receiving: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:8443")

    async with internet.receiver(receiving, accepted):
        outcome = await sender.send(to(f"https://{NAME}/"))

    assert outcome.is_delivered
    assert (internet.connected, await internet.strayed()) == ([PUBLIC], 0)


async def test_a_kept_connection_serves_no_longer_than_its_session_however_busy_it_is(
    internet: Internet, receiving: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    internet.names = {NAME: [[PUBLIC], ["127.0.0.1"]]}
    sender = Sender(lookup=internet.lookup, tls=trusting, renew_s=0)

    async with internet.receiver(receiving, accepted):
        first, second = await sender.send(to(f"https://{NAME}/")), await sender.send(to(f"https://{NAME}/"))

    await sender.close()
    assert (first.failure, second.failure) == (None, Failure.NAME_NOT_RESOLVED)
    assert (internet.connected, await internet.strayed()) == ([PUBLIC], 0)


@pytest.mark.parametrize("url", ["http://localhost:8443/hook", "http://10.0.0.1/", "http://postgres:8080/"])
async def test_the_switch_for_local_development_allows_any_host(
    internet: Internet, trusting: ssl.SSLContext, url: str
) -> None:
    internet.names = {"localhost": [["127.0.0.1"]], "postgres": [["10.0.0.2"]]}
    sender = Sender(lookup=internet.lookup, tls=trusting, allow_private=True)

    outcome = await sender.send(to(url))

    await sender.close()
    assert outcome.failure is not Failure.FORBIDDEN_TARGET
    assert await internet.strayed() >= 1
