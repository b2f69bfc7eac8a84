"""How words of a file stand in the index: digested with the file's own key. PostgreSQL finds what it cannot read."""

import hmac
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

_BYTES: Final = 10
_MOST_PLACES: Final = 255
"""Of a word; PostgreSQL takes no more."""


def indexed(words: Iterable[str], key: bytes) -> str:
    """A `tsvector`."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words, start=1):
        places[_digest(word, key)].append(place)
    return " ".join(f"{word}:{','.join(map(str, at[:_MOST_PLACES]))}" for word, at in places.items())


def asked(words: Iterable[str], key: bytes) -> str:
    """A `tsquery` for any of `words`."""
    return " | ".join(dict.fromkeys(_digest(word, key) for word in words))


def _digest(word: str, key: bytes) -> str:
    return hmac.digest(key, word.encode(), "sha256")[:_BYTES].hex()
