"""Towns, counties and ZIP codes."""

import re
from collections.abc import Iterator, Sequence

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.roads import ROAD_MARKS, find_roads
from gateway.phi.rules.streets import STREET_ENDS, find_streets
from gateway.phi.rules.vocabulary import EPONYM_HEADS, FUNCTION_WORDS, phrase_set, word_set

_STATES = word_set(
    "al ak az ar ca co ct de dc fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd "
    "oh ok or pa pr ri sc sd tn tx ut vt va wa wv wi wy"
)
_STATE_NAMES = word_set(
    "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho "
    "illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota "
    "mississippi missouri montana nebraska nevada ohio oklahoma oregon pennsylvania tennessee texas utah "
    "vermont virginia washington wisconsin wyoming"
)
_STATE_PAIRS = phrase_set(
    "new hampshire, new jersey, new mexico, new york, north carolina, north dakota, rhode island, "
    "south carolina, south dakota, west virginia"
)
_STATE_ENDS = _STATES | _STATE_NAMES | {pair.split()[1] for pair in _STATE_PAIRS}
_AMBIGUOUS_STATES = FUNCTION_WORDS | {"me", "hi", "ok", "pa", "ma"}
_ZIP = r"\d{5}(?:-\d{4})?"
_ZIP_AFTER = re.compile(rf"\.?,?\s{{1,3}}({_ZIP})(?![\w-])")
_POST_CODE = re.compile(rf",?\s{_ZIP}(?![\w-])")
_ZIP_LABEL = re.compile(rf"\b(?:zip|postal)(?:\s*code)?\W{{0,4}}(?:is\s+)?({_ZIP})(?![\w-])", re.IGNORECASE)
_COUNTIES = frozenset(["county", "parish", "borough", "township"])
_HEADS = _COUNTIES | _STATE_ENDS
_MARKS = _HEADS | STREET_ENDS | ROAD_MARKS
_PREPOSITIONS = word_set("in for from to near outside of around at through toward towards our the")
_MOVING = word_set(
    "old year-old yo yom yof live lives lived living reside resides resided residing resident residents born "
    "raised move moves moved moving relocate relocated relocating travel travels traveled travelled traveling "
    "trip drive drives drove driving visit visits visited visiting fly flew flying home native grew up located "
    "stay stays stayed staying hails commute commutes city town farm leaving left family house apartment "
    "arrived arriving came coming back returned returning originally homeless crash accident mva mvc collision "
    "transferred transported airlifted based retired husband wife and dispatched who patients woman man male "
    "female lady gentleman farmer teacher pt pts"
)
_VAGUE = word_set("the our for of at through toward towards")
_DIRECTLY = frozenset(["visited", "visiting", "leaving", "lives", "resides"])
_PREPARING = _PREPOSITIONS | _DIRECTLY | {"city", "town", "residence"}
_SURELY_PLACES = _MOVING - word_set("up left family and who patients husband wife retired visit visits visited based")
_TRAVEL = word_set(
    "transported airlifted flown driven drove drives driving comes travels commuting traveled travelled traveling "
    "moved relocated commutes flew"
)
_DIRECTIONS = word_set("north south east west new lake port mount fort san santa los las saint st el la upper lower")
_TOWN_ENDING = re.compile(
    r"(?:town|ville|burgh?|shire|view|port|mouth|furt|chester|stad|haven|berg|side|bury|borough|field|dale|ford|ton|land|"
    r"wood|cester|minster|hurst|brook|creek|ridge|worth|stead|polis)\Z"
)
_MAX_TOWN = 4
_ALONE = 410
NO_NAME = 350
"""Too weak to count by itself, as nobody is said to be there; and no person's name."""


def find_places(document: Document) -> Iterator[Span]:
    marks = [index for index, word in enumerate(document.words) if word.lower in _MARKS]
    yield from find_streets(document, marks)
    yield from find_roads(document, marks)
    if "zip" in document.lower or "postal" in document.lower:
        for match in _ZIP_LABEL.finditer(document.flat):
            yield Span(match.start(1), match.end(1), Entity.US_ZIP, 900)
    yield from _states_and_counties(document, marks)
    yield from _towns(document)


def _states_and_counties(document: Document, marks: Sequence[int]) -> Iterator[Span]:
    """`Dayton, OH 45402`: a town before a state, a ZIP code after it; `Fulton County`."""
    for index in marks:
        word = document.words[index]
        if word.lower not in _HEADS:
            continue
        if word.lower in _COUNTIES:
            if (
                index
                and (word.is_capital or document.is_caseless)
                and (first := _county_start(document, index)) < index
            ):
                yield Span(document.words[first].start, word.end, Entity.LOCATION, 750)
        elif (first := _state_start(document, index)) is not None:
            post = _ZIP_AFTER.match(document.flat, word.end)
            if post:
                yield Span(post.start(1), post.end(1), Entity.US_ZIP, 870)
            is_degree = post is None and bool({word.text, document.words[first - 1].text} & {"MD", "PA"})
            if not is_degree and (town := _town_before(document, first, has_zip=post is not None)):
                yield town


def _county_start(document: Document, index: int) -> int:
    """`Prince George's County`: the first word of the county's name, `index` itself when there is none."""
    words = document.words
    first = index
    while first and index - first < 3:
        word = words[first - 1]
        if document.flat[word.end : words[first].start].strip() not in {"", ".", "'s", "'S"}:
            break
        if word.lower in FUNCTION_WORDS or word.lower in _PREPOSITIONS or not (word.is_capital or document.is_caseless):
            break
        if document.is_caseless and word.kinds & Kind.WORD and not word.kinds & (Kind.CITY | Kind.LAST):
            break
        first -= 1
    return first


def _state_start(document: Document, index: int) -> int | None:
    """The first word of the state whose last word is at `index`; small words such as `in` and `or` are none."""
    word = document.words[index]
    pair = f"{document.words[index - 1].lower} {word.lower}" if index else ""
    if pair in _STATE_PAIRS:
        return index - 1
    if word.lower in _STATE_NAMES:
        return index
    if word.lower in _STATES and (
        (word.text.isupper() and not document.is_caseless) or word.lower not in _AMBIGUOUS_STATES
    ):
        return index
    return None


def _town_before(document: Document, state: int, *, has_zip: bool) -> Span | None:
    """The town before a state: by list, or any capitalised words when a ZIP code follows the state."""
    words, kinds = document.words, lexicon()
    first = state
    while first > 0 and state - first < _MAX_TOWN and _leads_to(document, first - 1, comma=first == state):
        first -= 1
    has_comma = state > 0 and "," in document.flat[words[state - 1].end : words[state].start]
    for start in range(first, state):
        name = " ".join(word.lower for word in words[start:state])
        bits = kinds.get(name, 0)
        if bits & Kind.CITY and not (bits & (Kind.WORD | Kind.MEDICAL) and not has_zip and not has_comma):
            return Span(words[start].start, words[state - 1].end, Entity.LOCATION, 800)
    if first == state or document.is_caseless:
        return None
    while first < state - 1 and words[first].lower in FUNCTION_WORDS:
        first += 1
    odd = has_comma and not words[state - 1].kinds & (Kind.WORD | Kind.MEDICAL)
    if has_zip or (odd and words[state].text.isupper() and len(words[state].text) == 2):
        return Span(words[first].start, words[state - 1].end, Entity.LOCATION, 700)
    return None


def _leads_to(document: Document, index: int, *, comma: bool) -> bool:
    word = document.words[index]
    gap = document.flat[word.end : document.words[index + 1].start]
    if gap.strip() not in ({"", ","} if comma else {"", "."}):
        return False
    if word.lower in FUNCTION_WORDS:
        return word.lower == "or" and not comma
    return word.is_capital or document.is_caseless


def _towns(document: Document) -> Iterator[Span]:
    """Towns by list: certain after a word of place, doubtful alone."""
    words = document.words
    caseless = document.is_caseless
    done = 0
    found = -1
    unmistakable = Kind.LARGE_CITY | Kind.WORD | Kind.MEDICAL | Kind.FIRST | Kind.COMMON_LAST
    likely = Kind.CITY | Kind.STARTS_PHRASE
    for index in [
        index
        for index, word in enumerate(words)
        if (word.is_capital or caseless or word.kinds & unmistakable == Kind.LARGE_CITY)
        and (word.kinds & likely or not word.kinds & Kind.LISTED or word.lower in _DIRECTIONS)
    ]:
        word = words[index]
        if index < done:
            continue
        coded = document.flat[word.end + 1 : word.end + 2].isdigit()
        if not (coded or _begins_phrase(words, index) or _is_prepared(words, index, found)):
            if word.kinds & unmistakable == Kind.LARGE_CITY:
                yield Span(word.start, word.end, Entity.LOCATION, LIKELY)
            continue
        end, bits = _town_at(document, index)
        if end == index:
            continue
        score = _town_score(document, index, end, bits, follows=found == index - 1 and index > 0)
        if score:
            done = end
            found = end if score > LIKELY else -1
            yield Span(word.start, words[end - 1].end, Entity.LOCATION, score)


def _begins_phrase(words: list[Word], index: int) -> bool:
    if not words[index].kinds & Kind.STARTS_PHRASE or index + 1 == len(words):
        return False
    return bool(words[index + 1].kinds & Kind.CONTINUES_PHRASE)


def _is_prepared(words: list[Word], index: int, found: int) -> bool:
    return index > 0 and (words[index - 1].lower in _PREPARING or found == index - 1)


def _town_at(document: Document, index: int) -> tuple[int, int]:
    """The word after the town that begins at `index` and what it is; `index` itself when nothing like one does."""
    words, kinds = document.words, lexicon()
    word = words[index]
    if _begins_phrase(words, index):
        end = min(len(words), index + _MAX_TOWN)
        name = [words[index].lower]
        longest = index
        bits = 0
        for at in range(index + 1, end):
            if document.flat[words[at - 1].end : words[at].start].strip() not in {"", "."}:
                break
            name.append(words[at].lower)
            listed = kinds.get(" ".join(name), 0)
            if listed & Kind.CITY:
                longest, bits = at, listed
        if longest > index:
            return longest + 1, bits | Kind.STARTS_PHRASE
    if word.kinds & Kind.CITY:
        return index + 1, word.kinds
    if word.lower in _DIRECTIONS and index + 1 < len(words) and document.adjacent(index):
        after = words[index + 1]
        named = after.is_capital and not document.is_caseless and after.lower not in FUNCTION_WORDS
        if (
            named
            and not after.kinds & Kind.MEDICAL
            and (after.kinds & (Kind.FIRST | Kind.LAST) or not after.kinds & Kind.LISTED)
        ):
            return index + 2, 0
    odd = not word.kinds & Kind.LISTED and len(word.text) > 5 and _TOWN_ENDING.search(word.lower) is not None
    return (index + 1, 0) if odd else (index, 0)


def _town_score(document: Document, index: int, end: int, bits: int, *, follows: bool) -> int:
    """How sure a town is: several words or nothing but a town, and what stands before."""
    several = bits & Kind.STARTS_PHRASE and end - index > 1
    if bits & Kind.CITY and not bits & Kind.WORD and _POST_CODE.match(document.flat, document.words[end - 1].end):
        return 650
    if _is_possessive(document, end) or (end < len(document.words) and document.words[end].lower in EPONYM_HEADS):
        return NO_NAME if several else 0
    prepared = 2 if follows else _placed(document, index)
    if several:
        return 650 if prepared and document.words[index - 1].lower != "the" else _ALONE
    plain = bits & Kind.WORD or (bits & Kind.MEDICAL and not bits & Kind.LARGE_CITY)
    name = bits & (Kind.FIRST | Kind.COMMON_LAST)
    if prepared == 2 and not document.is_caseless:
        return 650 if bits & Kind.LARGE_CITY or not bits & (Kind.COMMON_FIRST | Kind.MEDICAL) else LIKELY
    if prepared == 2:
        return 650 if not plain and (not bits & Kind.COMMON_FIRST or bits & Kind.LARGE_CITY) else 0
    if not prepared or plain or (not bits and document.is_caseless):
        return 0
    if name or not bits:
        return LIKELY
    if document.words[index - 1].lower in _VAGUE:
        return LIKELY
    return 600 if bits & Kind.LARGE_CITY or not bits & Kind.LAST else LIKELY


def _is_possessive(document: Document, end: int) -> bool:
    stop = document.words[end - 1].end
    return document.flat[stop : stop + 2].lower() == "'s"


def _placed(document: Document, index: int) -> int:
    """2 after `lives in` or `drove from`, 1 after a preposition alone, 0 otherwise."""
    if index == 0:
        return 0
    words = document.words
    if words[index - 1].lower == "the" and index > 1 and words[index - 2].lower in {"in", "from"}:
        index -= 1
    before = words[index - 1]
    gap = document.flat[before.end : words[index].start].strip()
    if gap not in {"", ":"}:
        return 0
    if before.lower in {"near", "outside"} or (gap == ":" and before.lower in {"city", "town", "residence"}):
        return 2
    if before.lower not in _PREPOSITIONS:
        return 2 if before.lower in _DIRECTLY and not gap else 0
    if index > 1 and before.lower in {"in", "from", "to", "of", "at", "around", "for"}:
        earlier: Word = words[index - 2]
        if earlier.lower in _SURELY_PLACES or (
            earlier.lower == "up" and index > 2 and words[index - 3].lower == "grew"
        ):
            return 2
        if before.lower == "in" and earlier.text.istitle() and index > 2 and words[index].kinds & Kind.CITY:
            return 2
        if before.lower in {"from", "to"} and any(
            word.lower in _TRAVEL for word in words[max(0, index - 6) : index - 2]
        ):
            return 2
    return 1
