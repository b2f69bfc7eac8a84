"""Facilities by what happens there: `seen at`, `discharged to`."""

from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.facility_names import is_only_term
from gateway.phi.rules.organization_words import FACILITY_PAIRS, PLACE_LABELS, RESIDENCES, VISITS
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, GENERIC_PLACE_WORDS, NOT_NAMES, word_set

PREPOSITIONS = frozenset(["at", "to", "from", "of"])
_THERE = frozenset(["leaving", "left", "visiting", "visited"])
_TREES = word_set(
    "beeches elms oaks pines willows maples cedars birches laurels hollies poplars firs hawthorns limes chestnuts "
    "sycamores magnolias lindens aspens hollyhocks gables towers cottage larches redwoods spruces junipers"
)
_HOUSED = frozenset(["moved", "evicted", "staying", "stays", "stay", "living", "lives", "resides", "boarding", "wants"])
_MAX_RUN = 5
_LOOKBACK = 7


def is_visited(document: Document, index: int) -> bool:
    """`seen at`, `transferred to`, `records from`, `pharmacy:` just before word `index`."""
    words = document.words
    if index == 0:
        return False
    before = words[index - 1]
    gap = document.flat[before.end : words[index].start].strip()
    if before.lower == "the" and index > 1 and not gap:
        before, index = words[index - 2], index - 1
        gap = document.flat[before.end : words[index].start].strip()
    if gap == ":":
        return before.lower in PLACE_LABELS
    if not gap and before.lower in _THERE:
        return True
    if gap or before.lower not in PREPOSITIONS:
        return False
    if before.lower == "at":
        return True
    return any(word.lower in VISITS for word in words[max(0, index - _LOOKBACK) : index - 1])


def find_home(document: Document, index: int) -> Iterator[Span]:
    """`from the beeches`, in any case: a house called after its trees, after the preposition at `index`."""
    words = document.words
    last = index + 2
    if last < len(words) and words[index + 1].lower == "the" and words[last].lower in _TREES:
        if document.adjacent(index) and document.adjacent(index + 1):
            yield Span(words[index + 1].start, words[last].end, Entity.FACILITY, 600)
        return
    if index == 0 or words[index].lower not in {"at", "from"} or words[index - 1].lower not in _HOUSED:
        return
    first = index + 2 if index + 1 < len(words) and words[index + 1].lower == "the" else index + 1
    name = words[first : first + 2]
    if " ".join(word.lower for word in name) in FACILITY_PAIRS:
        return
    if len(name) == 2 and document.adjacent(first) and document.adjacent(first - 1) and all(map(_is_plain_name, name)):
        yield Span(name[0].start, name[1].end, Entity.FACILITY, 600)


def _is_plain_name(word: Word) -> bool:
    """A word in `Meadow Lark` or `Budget Host`."""
    if not word.text.istitle() or word.lower in GENERIC_PLACE_WORDS or word.lower in NOT_NAMES:
        return False
    return not is_only_term(word) and word.lower not in FUNCTION_WORDS


def find_visited(document: Document, index: int) -> Iterator[Span]:
    """`discharged to Golden Acres`: words in capitals after what happens at a facility, when they can be a name."""
    words = document.words
    first = index + 1
    if not is_visited(document, first):
        return
    if words[first].lower == "the":
        first += 1
    end = first
    while end < len(words) and end - first < _MAX_RUN and _continues_name(document, first, end):
        end += 1
    while end > first + 1 and words[end - 1].text.isupper():
        end -= 1
    name = words[first:end]
    if len(name) == 1 and words[index].lower == "at" and _is_odd(name[0]):
        yield Span(name[0].start, name[0].end, Entity.FACILITY, 600)
    if len(name) < 2 or any(is_only_term(word) or word.lower in FUNCTION_WORDS for word in (name[0], name[-1])):
        return
    if " ".join(word.lower for word in name) in FACILITY_PAIRS:
        return
    named = name[-1].lower in RESIDENCES or _is_named_after(name)
    if named and any(word.lower not in GENERIC_PLACE_WORDS for word in name[:-1]):
        yield Span(words[first].start, words[end - 1].end, Entity.FACILITY, 600)


def _is_odd(word: Word) -> bool:
    return not word.kinds & Kind.LISTED and word.text.istitle() and len(word.text) > 3


def _is_named_after(name: list[Word]) -> bool:
    """`Sunrise of Millbrook`, `Penn Presbyterian`: no words of a service or a department among them."""
    return (
        name[0].lower not in GENERIC_PLACE_WORDS
        and not (name[0].kinds & Kind.FIRST and not name[0].kinds & (Kind.WORD | Kind.CITY))
        and not any(is_only_term(word) for word in name)
        and not all(word.kinds & (Kind.FIRST | Kind.LAST | Kind.CITY) or len(word.lower) < 3 for word in name)
        and not all(word.kinds & Kind.WORD for word in name)
    ) or (
        len(name) > 2 and name[1].lower == "of" and bool(name[2].kinds & Kind.CITY or not name[2].kinds & Kind.LISTED)
    )


def _continues_name(document: Document, first: int, at: int) -> bool:
    words = document.words
    if at > first and not document.adjacent(at - 1):
        return False
    word = words[at]
    if word.is_capital:
        return "\n" not in document.folded[words[at - 1].end : word.start] or at == first
    return word.lower == "of" and at > first and at + 1 < len(words) and words[at + 1].is_capital
