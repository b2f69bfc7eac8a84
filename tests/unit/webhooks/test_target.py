"""URLs that events may go to, and the operator's switch."""

import pytest
from structlog.testing import capture_logs

from gateway.outside.target import TargetError, read_target
from gateway.webhooks.sender import Sender
from tests.unit.providers.cases import settings


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://Hooks.Example.COM/Hasp?a=b&c=%2B", "https://hooks.example.com/Hasp?a=b&c=%2B"),
        ("https://hooks.example.com.:8443/", "https://hooks.example.com.:8443/"),
        ("https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example/", "https://xn--bcher-kva.example/"),
        ("https://hooks_2.a-b.example.com/", "https://hooks_2.a-b.example.com/"),
        ("https://hooks.example.com/a@b", "https://hooks.example.com/a@b"),
        ("https://8.8.8.8:8443/", "https://8.8.8.8:8443/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ("https://localhost.example.com/", "https://localhost.example.com/"),
    ],
)
def test_a_public_url_is_kept_in_one_spelling(url: str, kept: str) -> None:
    assert str(read_target(url).url) == kept


@pytest.mark.parametrize("url", ["http://localhost:3000/", "http://127.0.0.1:3000/", "https://[::1]/", "http://web/"])
def test_with_the_switch_any_host_may_be_named(url: str) -> None:
    with pytest.raises(TargetError):
        read_target(url)

    assert str(read_target(url, allow_private=True).url) == url


@pytest.mark.parametrize(
    "url", ["ftp://localhost/", "http://a@localhost/", "http://127.1/", "http://localhost:0/", "x"]
)
def test_with_the_switch_a_url_must_still_be_one(url: str) -> None:
    with pytest.raises(TargetError):
        read_target(url, allow_private=True)


def test_no_error_quotes_the_url() -> None:
    with pytest.raises(TargetError) as raised:
        read_target("https://db.internal/secret-path")

    assert not {"internal", "secret"} & set(str(raised.value).replace("-", " ").split())


@pytest.mark.parametrize("allowed", [True, False])
async def test_the_switch_is_warned_of_whenever_a_sender_starts(allowed: bool) -> None:
    with capture_logs() as logs:
        sender = Sender.configured(settings(webhook_allow_private=allowed))

    await sender.close()
    assert [line["log_level"] for line in logs] == ["warning"] * allowed
