"""A URL that a stranger gave, as far as it can be judged without asking anybody: the same rules whenever it is used."""

import re
from dataclasses import dataclass

from yarl import URL

from gateway.outside.addresses import Address, is_public, parse

MAX_URL_CHARS = 2048

_LOWEST_FREE_PORT = 1024
_NEVER_IN_A_URL = re.compile(r'[\s\\<>"{}|^`]')
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""At least two labels, and a last one that begins with a letter: what does not could be read as an address."""
_LOCAL = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "home.arpa",
    "lan",
    "onion",
)


class TargetError(ValueError):
    """A URL that nothing is sent to. Its text says why and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """`address` is that of a URL which names one instead of a host."""

    url: URL
    host: str
    port: int
    address: Address | None


def read_target(url: str, *, allow_private: bool = False) -> Target:
    """`url`, which only leads to the public Internet as far as it shows. Raises `TargetError`.

    A name has still to be looked up. `allow_private` is the operator's switch for local development: any host by
    `http` or `https`.
    """
    if len(url) > MAX_URL_CHARS:
        raise TargetError(f"is longer than {MAX_URL_CHARS} characters")
    if not url.isprintable() or _NEVER_IN_A_URL.search(url):
        raise TargetError("holds characters that a URL cannot")
    if "@" in re.split(r"[/?#]", url.partition("//")[2], maxsplit=1)[0]:
        raise TargetError("holds a user name or password")
    if "#" in url:
        raise TargetError("holds a fragment")
    parsed = _parsed(url)
    if parsed.scheme != "https" and not (allow_private and parsed.scheme == "http"):
        raise TargetError("does not begin with https://")
    host, port = parsed.raw_host, parsed.port
    if not host or not port:
        raise TargetError("names no host, or port 0")
    address = parse(host)
    if not allow_private:
        _check_place(host, port, address)
    elif address is None and host[-1].isdigit():
        raise TargetError("names an address in an unusual notation")
    return Target(parsed, host, port, address)


def _parsed(url: str) -> URL:
    try:
        return URL(url)
    except ValueError:
        raise TargetError("is not a URL") from None


def _check_place(host: str, port: int, address: Address | None) -> None:
    if port != 443 and port < _LOWEST_FREE_PORT:
        raise TargetError(f"names a port other than 443 and those from {_LOWEST_FREE_PORT} on")
    if address is not None:
        if not is_public(address):
            raise TargetError("names an address that is not public")
        return
    name = host.removesuffix(".")
    if not _NAME.fullmatch(name):
        raise TargetError("names a host that is neither a public name nor an address in its usual notation")
    if any(name == local or name.endswith(f".{local}") for local in _LOCAL):
        raise TargetError("names a host of a private network")
