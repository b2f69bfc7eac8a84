"""Addresses in what a tool is given, read as the words that are in them.

A web address can be one of a person's identifiers, and the guard takes most for one. Whoever runs a tool that reads
pages must be able to name a page: what counts there is whom an address speaks of.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import unquote

from pydantic import JsonValue

from gateway.phi.rules.patterns import is_of_a_patient

_BETWEEN_TOKENS = re.compile(r"[\s<>\"'|\\^]+")
_ADDRESS = re.compile(r"://|\w\.[A-Za-z]")
_BETWEEN_WORDS = re.compile(r"[/?&=+#:%~,;@!()\[\]{}$*_]+|(?<![0-9])[-.]|[-.](?![0-9])")
_DAY_OF_NEWS = re.compile(r"/20[0-9]{2}/[01]?[0-9](?:/[0-3]?[0-9])?(?=/)")
"""As papers have it in the addresses of their articles."""
_MOST_LAYERS = 3
"""Of percent signs around percent signs."""


def words_of_addresses(given: Mapping[str, JsonValue]) -> str | None:
    """Those of every address in `given`, a line each; None where one is a patient's by its form."""
    said = json.dumps(dict(given), ensure_ascii=False)
    addresses = [_decoded(token) for token in _BETWEEN_TOKENS.split(said) if _ADDRESS.search(token)]
    if any(is_of_a_patient(address) for address in addresses):
        return None
    return "\n".join(" ".join(_BETWEEN_WORDS.sub(" ", _DAY_OF_NEWS.sub("", address)).split()) for address in addresses)


def _decoded(address: str) -> str:
    for _ in range(_MOST_LAYERS):
        address = unquote(address)
    return address
