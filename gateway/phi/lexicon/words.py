"""What a word may be: a name, a town, a plain English word, a medical term, or several of these."""

import lzma
from enum import IntFlag
from functools import cache
from pathlib import Path

_FILE = Path(__file__).parent.parent / "data" / "lexicon.txt.xz"


class Kind(IntFlag):
    FIRST = 1
    LAST = 2
    WORD = 4
    CITY = 8
    COMMON_FIRST = 16
    COMMON_LAST = 32
    MEDICAL = 64


@cache
def lexicon() -> dict[str, int]:
    """Bits of `Kind` by lower-case word; some towns are several words. About 150,000 entries, loaded once."""
    entries: dict[str, int] = {}
    for line in lzma.decompress(_FILE.read_bytes()).decode().splitlines():
        word, _, bits = line.partition("\t")
        entries[word] = int(bits)
    return entries
