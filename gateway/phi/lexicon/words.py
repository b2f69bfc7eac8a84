"""What a word may be: a name, a town, a plain English word, a medical term, or several of these."""

import lzma
from functools import cache
from pathlib import Path
from typing import Final

_FILE = Path(__file__).parent.parent / "data" / "lexicon.txt.xz"


class Kind:
    """Bits; plain integers, because an `IntFlag` costs a call for every `&` and the rules test millions."""

    FIRST: Final = 1
    LAST: Final = 2
    WORD: Final = 4
    CITY: Final = 8
    COMMON_FIRST: Final = 16
    COMMON_LAST: Final = 32
    MEDICAL: Final = 64
    FACILITY: Final = 128
    """A hospital or nursing home by its whole name, which is several words."""
    STARTS_PHRASE: Final = 256
    """The first word of a town or facility whose name is several words."""
    LARGE_CITY: Final = 512
    CONTINUES_PHRASE: Final = 1024
    """The second word of such a name."""
    LISTED: Final = 0b10_0111_1111
    """Every bit that says what a word is by itself; without them it is on no list."""


@cache
def lexicon() -> dict[str, int]:
    """Bits of `Kind` by lower-case word; towns and facilities may be several words. Loaded once."""
    entries: dict[str, int] = {}
    for line in lzma.decompress(_FILE.read_bytes()).decode().splitlines():
        bits, _, words = line.partition("\t")
        entries.update(dict.fromkeys(words.split(","), int(bits)))
    return entries
