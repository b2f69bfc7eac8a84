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


@cache
def lexicon() -> dict[str, int]:
    """Bits of `Kind` by lower-case word; some towns are several words. About 150,000 entries, loaded once."""
    entries: dict[str, int] = {}
    for line in lzma.decompress(_FILE.read_bytes()).decode().splitlines():
        word, _, bits = line.partition("\t")
        entries[word] = int(bits)
    return entries
