"""Reading pages that strangers name: over real TLS, from servers that mean no good."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.outside.prose import Prose, read_prose
from gateway.outside.reading import Page, PublicReader, UnreadError
from tests.internet import NAME, Handle, Internet

URL = f"https://{NAME}/page"
MOST = 64 * 1024


@pytest_asyncio.fixture
async def reader(internet: Internet, trusting: ssl.SSLContext) -> AsyncIterator[PublicReader]:
    opened = PublicReader(internet.lookup, tls=trusting, most=MOST)
    yield opened
    await opened.close()


def saying(body: bytes | str, content_type: str = "text/html", **headers: str) -> Handle:
    async def handle(_: web.BaseRequest) -> web.Response:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, headers={"content-type": content_type, **headers})

    return handle


def leading(*where: str) -> Handle:
    """Redirects to one place after the other, and then is there."""
    left = [*where]

    async def handle(_: web.BaseRequest) -> web.Response:
        if not left:
            return web.Response(text="arrived")
        return web.Response(status=302, headers={"location": left.pop(0)})

    return handle


async def test_a_page_is_read_as_it_came(internet: Internet, receiving: ssl.SSLContext, reader: PublicReader) -> None:
    async with internet.receiver(receiving, saying("Hello", "text/plain; charset=utf-8")):
        page = await reader.get(f"{URL}#part", timeout_s=5)

    assert page == Page(URL, 200, "text/plain", "utf-8", b"Hello", is_cut=False)


async def test_nothing_of_ours_goes_along(internet: Internet, receiving: ssl.SSLContext, reader: PublicReader) -> None:
    heard: list[set[str]] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        heard.append({name.lower() for name in request.headers})
        return web.Response(text="x", headers={"set-cookie": "a=b"})

    async with internet.receiver(receiving, handle):
        await reader.get(URL, timeout_s=5)
        await reader.get(URL, timeout_s=5)

    assert heard == [{"host", "accept", "accept-encoding", "user-agent"}] * 2


async def test_a_redirect_within_the_public_internet_is_followed(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader
) -> None:
    async with internet.receiver(receiving, leading("/other?x=1#y")):
        page = await reader.get(URL, timeout_s=5)

    assert (page.url, page.body) == (f"https://{NAME}/other?x=1", b"arrived")


@pytest.mark.parametrize(
    "where",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/",
        "https://[::1]/",
        "http://hooks.example.com/",
        "https://localhost/",
        "https://metadata.google.internal/",
        "file:///etc/passwd",
        "https://user:secret@hooks.example.com/",
        "https://2852039166/",
        "//10.0.0.1/",
    ],
)
async def test_a_redirect_to_a_place_of_ours_is_not(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader, where: str
) -> None:
    async with internet.receiver(receiving, leading(where)):
        with pytest.raises(UnreadError):
            await reader.get(URL, timeout_s=5)

    assert (set(internet.connected), await internet.strayed()) == ({"93.184.215.14"}, 0)


async def test_a_name_that_changes_its_mind_is_not_followed_home(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader
) -> None:
    """DNS rebinding: the second answer names a machine of ours."""
    internet.names["moving.example.com"] = [["10.0.0.1"]]

    async with internet.receiver(receiving, leading("https://moving.example.com/")):
        with pytest.raises(UnreadError):
            await reader.get(URL, timeout_s=5)

    assert await internet.strayed() == 0


async def test_a_circle_of_redirects_ends(internet: Internet, receiving: ssl.SSLContext, reader: PublicReader) -> None:
    async with internet.receiver(receiving, leading(*["/again"] * 50)):
        with pytest.raises(UnreadError, match="too often"):
            await reader.get(URL, timeout_s=5)


async def test_an_endless_page_is_cut(internet: Internet, receiving: ssl.SSLContext, reader: PublicReader) -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/plain"})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 8192)

    async with internet.receiver(receiving, handle):
        page = await reader.get(URL, timeout_s=5)

    assert (len(page.body), page.is_cut) == (MOST, True)


async def test_what_unpacks_to_gigabytes_is_unpacked_to_its_bound(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader
) -> None:
    packed = gzip.compress(bytes(50_000_000))
    assert len(packed) < MOST

    headers = {"content-encoding": "gzip"}
    async with internet.receiver(receiving, saying(packed, "text/plain", **headers)):
        page = await reader.get(URL, timeout_s=5)

    assert (len(page.body), page.is_cut) == (MOST, True)


@pytest.mark.parametrize(("encoding", "body"), [("gzip", b"not packed"), ("br", b"?"), ("gzip, gzip", b"?")])
async def test_what_cannot_be_unpacked_is_said_to_be(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader, encoding: str, body: bytes
) -> None:
    headers = {"content-encoding": encoding}
    async with internet.receiver(receiving, saying(body, "text/plain", **headers)):
        with pytest.raises(UnreadError, match="pack"):
            await reader.get(URL, timeout_s=5)


async def test_a_server_that_says_nothing_is_left(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader
) -> None:
    async def converse(stream: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await stream.read()

    async with internet.talker(receiving, converse):
        with pytest.raises(UnreadError, match="too long"):
            await reader.get(URL, timeout_s=0.2)


async def test_a_server_that_speaks_no_http_is_told_of_without_its_words(
    internet: Internet, receiving: ssl.SSLContext, reader: PublicReader
) -> None:
    async def converse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-Maria Lopez\r\n\r\n")
        await writer.drain()

    async with internet.talker(receiving, converse):
        with pytest.raises(UnreadError) as raised:
            await reader.get(URL, timeout_s=5)

    assert "Maria" not in str(raised.value)


def page(body: str | bytes, media_type: str = "text/html", charset: str | None = None) -> Page:
    return Page(URL, 200, media_type, charset, body.encode() if isinstance(body, str) else body, is_cut=False)


def test_a_page_s_text_is_what_people_read() -> None:
    html = (
        "<html><head><title> Dosage </title><style>p {}</style></head><body><script>alert('x')</script>"
        "<h1>Ibuprofen</h1><p>Take <b>two</b>&nbsp;tablets.</p><ul><li>with food<li>not at night</ul>"
        "<!-- a comment --><svg><text>drawn</text></svg></body></html>"
    )

    assert read_prose(page(html)) == Prose("Dosage", "Ibuprofen\n\nTake two tablets.\n\nwith food\n\nnot at night")


@pytest.mark.parametrize("charset", ["rot13", "no-such", "hex", "iso-8859-1\0", None])
def test_a_charset_that_is_none_is_not_believed(charset: str | None) -> None:
    assert read_prose(page("<p>Zürich", charset=charset)).text.startswith("Z")


@pytest.mark.parametrize("charset", ["punycode", "utf-7", "idna", "unicode_escape", "raw_unicode_escape", "undefined"])
def test_a_page_in_what_no_page_is_in_is_read_as_it_came(charset: str) -> None:
    assert read_prose(page(r"a\ud800+2AA-", "text/plain", charset)).text == r"a\ud800+2AA-"


def test_a_page_may_be_in_an_old_charset() -> None:
    assert read_prose(page("<p>Zürich".encode("iso-8859-1"), charset="iso-8859-1")).text == "Zürich"


@pytest.mark.parametrize(
    "html",
    ["", "<", "<div>" * 50_000, "&" * 10_000, "<p " + "a=1 " * 20_000, "<!DOCTYPE x [<!ENTITY a 'b'>]><p>&a;"],
)
def test_no_page_is_too_broken(html: str) -> None:
    assert isinstance(read_prose(page(html)).text, str)


def test_an_entity_of_its_own_is_not_read() -> None:
    assert "root" not in read_prose(page("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><p>&a;")).text


def test_a_picture_is_no_text() -> None:
    with pytest.raises(UnreadError):
        read_prose(page(b"\x89PNG", "image/png"))


@pytest.mark.parametrize(
    ("html", "text"),
    [("<p>" + "word<script></script>" * 60_000, "word" * 40_000), ("<p>" + "x" * 300_000, "x" * 200_000)],
    ids=["in pieces", "in one"],
)
def test_of_a_long_page_no_more_is_read_than_any_model_is_given(html: str, text: str) -> None:
    read = read_prose(page(html))

    assert read.is_cut
    assert read.text.startswith(text[:100_000])
    assert len(read.text) <= 200_000


def test_a_long_plain_text_is_cut() -> None:
    assert read_prose(page("x" * 300_000, "text/plain")) == Prose("", "x" * 200_000, is_cut=True)
