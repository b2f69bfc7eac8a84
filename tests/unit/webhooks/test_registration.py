"""Where events may be wanted: what is looked up, what is kept, and what is not told."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from gateway.errors import ValidationFailedError
from gateway.outside.addresses import Address
from gateway.webhooks import registration
from gateway.webhooks.registration import require_reachable


class Names:
    """A `Lookup` that knows a few names, and which were asked for."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    async def __call__(self, name: str) -> Sequence[Address]:
        self.asked.append(name)
        for label, addresses in self.known.items():
            if name.startswith(f"{label}."):
                return [ip_address(each) for each in addresses.split()]
        raise OSError


NAMES = {
    "public": "93.184.215.14 2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "mixed": "10.0.0.1 93.184.215.14",
    "inside": "10.0.0.1 fd00::1",
}


@pytest.mark.parametrize(
    ("url", "kept", "asked"),
    [
        ("https://public.example/hooks?a=1", "https://public.example/hooks?a=1", ["public.example"]),
        ("HTTPS://PUBLIC.Example:443/ä", "https://public.example/%C3%A4", ["public.example"]),
        ("https://mixed.example:8443/", "https://mixed.example:8443/", ["mixed.example"]),
        ("https://public.bücher.example/", "https://public.xn--bcher-kva.example/", ["public.xn--bcher-kva.example"]),
        ("https://93.184.215.14/", "https://93.184.215.14/", []),
    ],
)
async def test_a_url_on_the_internet_is_kept_in_one_spelling(url: str, kept: str, asked: list[str]) -> None:
    names = Names(**NAMES)

    assert await require_reachable("url", url, lookup=names, allow_private=False) == kept
    assert names.asked == asked


async def refusal(url: str, names: Names) -> tuple[str, str | None]:
    with pytest.raises(ValidationFailedError) as raised:
        await require_reachable("url", url, lookup=names, allow_private=False)
    assert raised.value.__suppress_context__
    return raised.value.text, raised.value.param


async def test_what_is_private_and_what_is_not_there_are_told_alike() -> None:
    names = Names(**NAMES)

    inside, nowhere = await refusal("https://inside.example/", names), await refusal("https://nowhere.example/", names)

    assert inside == nowhere == ("`url` names a host that was not found on the public Internet.", "url")


async def test_a_name_server_that_hangs_is_waited_for_no_longer_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hanging(Names):
        async def __call__(self, name: str) -> Sequence[Address]:
            return await asyncio.Future()

    monkeypatch.setattr(registration, "_LOOKUP_S", 0)

    assert (await refusal("https://public.example/", Hanging()))[1] == "url"


@pytest.mark.parametrize(
    "url", ["http://public.example/", "https://Quillfeather:word@public.example/", "https://localhost/", "Quillfeather"]
)
async def test_a_url_that_cannot_be_is_refused_before_anybody_is_asked(url: str) -> None:
    names = Names(**NAMES)

    text, param = await refusal(url, names)

    assert (names.asked, param) == ([], "url")
    assert "Quillfeather" not in text


async def test_the_switch_for_local_development_lets_anything_be_reached() -> None:
    names = Names()

    url = await require_reachable("url", "http://localhost:3000/hook", lookup=names, allow_private=True)

    assert (url, names.asked) == ("http://localhost:3000/hook", [])
