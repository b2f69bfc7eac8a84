"""What is kept of an answer names no patient and gives nothing away."""

import ssl

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.webhooks.attempts import Outgoing
from gateway.webhooks.sender import Sender
from gateway.webhooks.sender.scrubbing import scrubbed
from gateway.webhooks.signing import SecretKind, SigningSecret
from tests.internet import NAME, Internet

SECRET = SigningSecret.new(SecretKind.HMAC)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("ok", "ok"),
        ('{"received":true}', '{"received":true}'),
        ("event 01JD0000000000000000000000 is a duplicate", "event 01JD0000000000000000000000 is a duplicate"),
        ("trace 7b1f4a52-91aa-4d9c-b6a4-0c9a3d5e8f10", "trace 7b1f4a52-91aa-4d9c-b6a4-0c9a3d5e8f10"),
        ("no row for Maria Lopez, SSN 123-45-6789", "no row for [NAME], SSN [SSN]"),
        ("call her at 212-555-0147", "call her at [PHONE]"),
        pytest.param(f"you signed with {SECRET.shown}", "you signed with [SECRET]", id="a signing secret"),
        ("key hasp_key_live_22222222222222222222222222222222 is unknown", "key [SECRET] is unknown"),
        ("Authorization: Bearer abcdefgh12345678", "[SECRET]"),
        ("Bearer abcdefgh12345678", "[SECRET]"),
        ('{"password": "hunter2"}', '{"[SECRET]"}'),
        ("postgres password=hunter2 host=db", "postgres [SECRET] host=db"),
        ('{"client_secret":"abc12345","access_token": "one two"}', '{"client_[SECRET]","access_[SECRET]"}'),
        (r'{"error":"{\"password\":\"hunter2\"}"}', r'{"error":"{\"[SECRET]\"}"}'),
        ("accessToken=abc123 DB_PASSWORD=hunter2", "access[SECRET] DB_[SECRET]"),
        ("""'api_key' => 'abc123'""", "'[SECRET]'"),
        ("the token expired, and AKIAIOSFODNN7EXAMPLE is unknown", "the token expired, and [SECRET] is unknown"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[SECRET]"),
        ("digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "digest [SECRET]"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----", "[SECRET]"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAw", "[SECRET]"),
    ],
)
def test_patients_and_secrets_are_replaced_and_the_rest_is_kept(said: str, kept: str) -> None:
    assert scrubbed(said) == kept


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_secret_does_not_survive_wherever_it_stands(before: str, after: str) -> None:
    assert SECRET.shown not in scrubbed(f"{before} {SECRET.shown} {after}")


async def head_of(
    body: bytes, internet: Internet, receiving: ssl.SSLContext, trusting: ssl.SSLContext, kind: str | None
) -> str | None:
    async def answer(_: web.BaseRequest) -> web.Response:
        response = web.Response(body=body)
        if kind is None:
            del response.headers["content-type"]
        else:
            response.headers["content-type"] = kind
        return response

    sender = Sender(lookup=internet.lookup, tls=trusting)
    async with internet.receiver(receiving, answer):
        outcome = await sender.send(Outgoing("0" * 26, f"https://{NAME}/", b"{}", (SECRET,)))
    await sender.close()
    assert outcome.is_delivered
    return outcome.head


@pytest.mark.parametrize(
    ("kind", "body", "head"),
    [
        ("text/plain; charset=utf-8", b"  done\r\n", "done"),
        ("application/json", b'{"a":\xff1}', '{"a":\N{REPLACEMENT CHARACTER}1}'),
        ("application/vnd.api+json", b"{}", "{}"),
        ("text/html", b"a\x00b\x1b[31mc\xe2\x80\xaed", "a b [31mc d"),
        ("image/png", b"\x89PNG", None),
        ("application/octet-stream", b"Maria Lopez", None),
        ("text/plain", b"", None),
        ("text/plain", b"word " * 4000, ("word " * 103)[:512]),
    ],
)
async def test_the_first_of_a_text_is_kept(
    internet: Internet,
    receiving: ssl.SSLContext,
    trusting: ssl.SSLContext,
    kind: str,
    body: bytes,
    head: str | None,
) -> None:
    assert await head_of(body, internet, receiving, trusting, kind) == head


async def test_what_is_cut_through_is_recognised_first(
    internet: Internet, receiving: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    head = await head_of(b"x " * 252 + b"SSN 123-45-6789", internet, receiving, trusting, "text/plain")

    assert head is not None
    assert "123" not in head
