"""Towns by population, countries, hospitals and nursing homes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

from gateway.phi.lexicon.sources import plain, source
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.vocabulary import FACILITY_ENDS, FUNCTION_WORDS, GENERIC_PLACE_WORDS

_TOWN = 1_000
_LARGE_CITY = 50_000
_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_LEGAL_FORMS = re.compile(r"\b(?:llc|inc|lp|ltd|corp|opco|co|dba|afb|snf)\b|\(.*?\)")
_LONGEST_PHRASE = 6
_SHORTEST_START = 2


class _City(TypedDict):
    name: str
    countrycode: str
    population: int


def cities(sources: Path) -> dict[str, int]:
    """Places in the United States of over 1,000 people; what lies abroad identifies few of its people."""
    listed = cast("dict[str, _City]", json.loads(source(sources, "cities1000.json").read_text("utf-8")))
    kinds = {"bronx": Kind.CITY | Kind.LARGE_CITY}
    for city in listed.values():
        name = plain(city["name"]).replace(".", "")
        listed_here = city["countrycode"] == "US" and city["population"] >= _TOWN
        if listed_here and name.isascii() and "(" not in name and "," not in name:
            is_large = city["population"] >= _LARGE_CITY
            kinds[name] = kinds.get(name, 0) | Kind.CITY | (Kind.LARGE_CITY if is_large else 0)
    return kinds


def countries(sources: Path) -> dict[str, int]:
    listed = cast("dict[str, dict[str, str]]", json.loads(source(sources, "countries.json").read_text("utf-8")))
    return {word: Kind.WORD for country in listed.values() if (word := plain(country["name"])).isalpha()}


def facilities(sources: Path, kinds: dict[str, int]) -> dict[str, int]:
    """Whole names, and names without the words of their kind at the end, of two words or more that say something."""
    found: dict[str, int] = {}
    for file in ("cms_hospitals.txt", "cms_snf.txt"):
        for line in source(sources, file).read_text("utf-8").splitlines():
            if not line.startswith("#") and not any(map(str.isdigit, line)):
                for phrase in _forms(line):
                    if _is_telling(phrase, kinds):
                        found[" ".join(phrase)] = Kind.FACILITY
    return found


def _forms(line: str) -> Iterator[list[str]]:
    words = [word.removesuffix("'s") for word in _TOKEN.findall(_LEGAL_FORMS.sub(" ", plain(line)))]
    if words and words[0] == "the":
        words = words[1:]
    yield words
    core = list(words)
    while core and (core[-1] in GENERIC_PLACE_WORDS or core[-1] in FACILITY_ENDS or core[-1] in FUNCTION_WORDS):
        core.pop()
    yield core


def _is_telling(phrase: list[str], kinds: dict[str, int]) -> bool:
    """Of several words that name one place: not `family health`, and no person's or town's name either."""
    if (
        not 1 < len(phrase) <= _LONGEST_PHRASE
        or len(phrase[0]) < _SHORTEST_START
        or phrase[0] in FUNCTION_WORDS
        or phrase[-1] in FUNCTION_WORDS
    ):
        return False
    if kinds.get(" ".join(phrase), 0) & Kind.CITY:
        return False
    own = [word for word in phrase if word not in GENERIC_PLACE_WORDS and word not in FACILITY_ENDS]
    return len(own) > 1 or (len(own) == 1 and len(phrase) > 1 and not kinds.get(own[0], 0) & Kind.MEDICAL)
