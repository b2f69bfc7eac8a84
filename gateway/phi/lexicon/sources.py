"""How the packages that the lexicon is built from are read."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

_NO_DECOMPOSITION = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "\u0131": "i", "ð": "d", "þ": "th", "ə": "a"}
)


def source(sources: Path, name: str) -> Path:
    """The file of that name, in whatever folder its package put it."""
    return next(path for path in sources.rglob(name) if path.is_file())


def dictionary(sources: Path, name: str) -> Iterator[str]:
    """The lower-case words of a word list, so without its proper names."""
    for word in source(sources, name).read_text("utf-8").split():
        if word.isascii() and word.isalpha() and word.islower():
            yield word


def plain(text: str) -> str:
    """In lower-case ASCII as far as there is an equivalent, the way a document is read."""
    decomposed = unicodedata.normalize("NFKD", text.lower().translate(_NO_DECOMPOSITION))
    return "".join(character for character in decomposed if not unicodedata.combining(character))
