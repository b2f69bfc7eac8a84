"""Builds `gateway/phi/data/lexicon.txt.xz`: `python -m gateway.phi.lexicon.build SOURCES OUT`.

SOURCES is a folder with, unpacked, the packages that `data/NOTICE` lists.
The product reads only the built file: one line for each combination of
`Kind` bits, a tab, and its words between commas.
"""

import lzma
import re
import sys
from collections import defaultdict
from pathlib import Path

from gateway.phi.lexicon import medicine, names, places
from gateway.phi.lexicon.sources import dictionary
from gateway.phi.lexicon.words import Kind

_ZED = re.compile(r"(?<=..[iy])z((?:e[ds]?|ers?|ing|ations?))\Z")
_RATHER_NAMES = ("maria", "peter", "mike", "matt", "harry", "derrick", "martin")
"""In every dictionary, and seldom meant as words."""


def main(sources: Path, out: Path) -> None:
    kinds = _collect(sources)
    lines: dict[int, list[str]] = defaultdict(list)
    for word in sorted(kinds):
        lines[kinds[word]].append(word)
    text = "\n".join(f"{bits}\t{','.join(words)}" for bits, words in sorted(lines.items()))
    out.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


def _collect(sources: Path) -> dict[str, int]:
    kinds: dict[str, int] = defaultdict(int)
    _add(kinds, names.census(sources))
    _add(kinds, names.locales(sources))
    # `maria` and `amir` are words of a larger dictionary, and read as names all the same.
    _add(kinds, dict.fromkeys(dictionary(sources, "american-english-small"), Kind.WORD))
    _add_new(kinds, dict.fromkeys(dictionary(sources, "american-english"), Kind.WORD))
    for word, bits in medicine.listed().items():
        # `Grace` and `Timothy` name a score and a syndrome, and far more often a person.
        kinds[word] |= 0 if kinds[word] & Kind.COMMON_FIRST else bits
    # A rare word that is a name too is read as the name; so is a drug or a term of a code book.
    _add_new(kinds, dict.fromkeys(dictionary(sources, "american-english-large"), Kind.WORD))
    _add_new(kinds, medicine.drugs(sources))
    _add_new(kinds, medicine.code_book(sources))
    _add_new(kinds, names.world(sources))
    _add_new(kinds, places.countries(sources))
    everyday = set(dictionary(sources, "american-english-small"))
    for city, bits in places.cities(sources).items():
        is_rare_word = bits & Kind.LARGE_CITY and city not in everyday
        kinds[city] = (kinds[city] & ~Kind.WORD if is_rare_word else kinds[city]) | bits
    _add_new(kinds, british(kinds))
    for name in _RATHER_NAMES:
        kinds[name] &= ~Kind.WORD
    for word, bits in medicine.shorthand().items():
        kinds[word] = kinds[word] & ~(Kind.FIRST | Kind.LAST) | bits
    phrases = places.facilities(sources, dict(kinds))
    _add(kinds, phrases)
    for phrase in [word for word in kinds if " " in word]:
        first, second, *_ = phrase.split(" ")
        kinds[first] |= Kind.STARTS_PHRASE
        kinds[second] |= Kind.CONTINUES_PHRASE
    return kinds


def british(kinds: dict[str, int]) -> dict[str, int]:
    """`summarise` and `analysing`, which American dictionaries lack."""
    verbs = ((word, _ZED.search(word)) for word, bits in kinds.items() if bits & Kind.WORD)
    return {f"{word[: found.start()]}s{found[1]}": Kind.WORD for word, found in verbs if found}


def _add(kinds: dict[str, int], found: dict[str, int]) -> None:
    for word, bits in found.items():
        kinds[word] |= bits


def _add_new(kinds: dict[str, int], found: dict[str, int]) -> None:
    for word, bits in found.items():
        if not kinds.get(word, 0):
            kinds[word] = bits


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
