"""Practices called by a proper name and by what they do: `Birchwood Peds`, `Clearwater Heart & Vascular`."""

from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.facility_names import is_only_term, run_end
from gateway.phi.rules.visits import is_visited
from gateway.phi.rules.vocabulary import FUNCTION_WORDS, GENERIC_PLACE_WORDS, NOT_NAMES, phrase_set, word_set

_SPECIALTIES = word_set(
    "peds pediatrics ortho orthopedics orthopaedics derm dermatology dialysis ent respiratory hearing pulm "
    "methadone cardiology neurology urology nephrology gastroenterology rheumatology endocrinology pulmonology "
    "optometry podiatry audiology pathology radiology imaging anesthesia oncology hematology psychiatry "
    "chiropractic midwifery orthotics prosthetics mobility endo onc uro nephro rheum "
    "optical eyecare surgery surgical obgyn gynecology "
    "physiotherapy"
)
_SITES = word_set("cboc ihs vamc va mortuary crematorium correctional methadone")
_BODIES = word_set("associates partners specialists consultants physicians group clinic center")
_PAIRS = phrase_set(
    "women health, men health, heart vascular, eye laser, spine joint, bone joint, foot ankle, brain spine, "
    "skin laser, pain spine, ear nose, nose throat, behavioral health, mental health, family imaging, "
    "physical therapy, hand therapy, home medical, eye care, family health, public health, kidney care, "
    "wound care, hospice care, family medical, women imaging, sports therapy, family dental, animal hospital, "
    "speech therapy, weight loss, vein vascular"
)
_GENERALS = word_set("regional memorial presbyterian methodist baptist adventist lutheran deaconess")
_ROOMS = frozenset(["er", "ed"])
_ANNEXES = word_set(
    "annex tower pavilion manor lodge villa gardens acres village terrace estates ridge springs pointe bend"
)
_NOT_REGIONAL = word_set(
    "pain anesthesia block blocks lymph node nodes wall enteritis blood flow perfusion variation variations "
    "differences lymphadenopathy disease metastases metastasis recurrence anaesthesia data poison trauma"
)
_NOT_HEADS = NOT_NAMES | word_set(
    "outpt inpt outpatient inpatient home chronic acute daily weekly peritoneal consult refer referral start stop hold "
    "continue call schedule attending resident pgy complex minor major prior previous recent planned elective future"
)
_BEFORE = frozenset(["at", "from", "to", "in", "by", "via", "our", "the", "with", "and"])
PRACTICE_MARKS = _SPECIALTIES | _SITES | _BODIES | _GENERALS | _ROOMS | _ANNEXES | {pair.split()[1] for pair in _PAIRS}
_MAX_HEAD = 4
_NAMED = Kind.FIRST | Kind.LAST | Kind.CITY


def find_practice(document: Document, index: int) -> Iterator[Span]:
    """The practice whose last word, one of `PRACTICE_MARKS`, is at `index`."""
    words = document.words
    first = _type_start(document, index)
    if first is None or first == 0:
        return
    if not (words[index].is_capital or document.is_caseless):
        yield from _in_small_letters(document, first, index)
        return
    start = _head_start(document, first)
    if start == first:
        return
    head = words[start:first]
    if _says_which(document, start, first) if document.is_caseless else _is_proper(document, head, first, index):
        yield Span(words[start].start, words[run_end(document, index)].end, Entity.FACILITY, 660)


def _in_small_letters(document: Document, first: int, index: int) -> Iterator[Span]:
    """`path to gulfview derm` in a text with capitals: one word on no list, or a town, after a preposition."""
    name = document.words[first - 1]
    if first < 2 or document.words[first - 2].lower not in _BEFORE or not document.adjacent(first - 1):
        return
    odd = not name.kinds & Kind.LISTED and len(name.lower) > 5
    if odd or (name.kinds & Kind.CITY and not name.kinds & (Kind.WORD | Kind.MEDICAL)):
        yield Span(name.start, document.words[index].end, Entity.FACILITY, 600)


def _type_start(document: Document, index: int) -> int | None:
    """The first of the words that say what is done there, None when they say nothing."""
    words = document.words
    lower = words[index].lower
    before = words[index - 1].lower if index and _is_joined(document, index - 1) else ""
    if f"{before} {lower}" in _PAIRS or (lower in _BODIES and before in _SPECIALTIES):
        return index - 1
    if lower == "regional" and index + 1 < len(words) and words[index + 1].lower in _NOT_REGIONAL:
        return None
    if lower in _SPECIALTIES or lower in _SITES or lower in _GENERALS or lower in _ROOMS:
        return index
    return index if lower in _ANNEXES and document.is_caseless else None


def _is_joined(document: Document, at: int) -> bool:
    """Whether a word and the next belong together: `Heart & Vascular`, `Women's Health`."""
    gap = document.folded[document.words[at].end : document.words[at + 1].start]
    return gap in {" ", "  ", " & ", "'s ", "'S ", "'s & ", "'S & ", ". ", "' "}


def _head_start(document: Document, first: int) -> int:
    words = document.words
    start = first
    while start and first - start < _MAX_HEAD and _is_joined(document, start - 1):
        word = words[start - 1]
        joins = word.lower == "or" and start > 1 and bool(words[start - 2].kinds & Kind.STARTS_PHRASE)
        if (word.lower in FUNCTION_WORDS or word.lower in _NOT_HEADS) and not joins:
            break
        if not (word.is_capital or document.is_caseless):
            break
        start -= 1
    while start < first and (words[start].lower in GENERIC_PLACE_WORDS or _is_verb(document, start, first)):
        start += 1
    return start


def _is_verb(document: Document, start: int, first: int) -> bool:
    """`Prefers Bitterroot Heart & Vascular`, `Called Saddle West Drug`: the first word of a sentence."""
    word = document.words[start]
    gap = document.folded[document.words[start - 1].end : word.start] if start else "\n"
    begins = start == 0 or any(mark in gap for mark in ".:;!?\n")
    return begins and first - start > 1 and word.kinds & (_NAMED | Kind.WORD) == Kind.WORD and word.lower[-1] in "sd"


def _is_proper(document: Document, head: list[Word], first: int, index: int) -> bool:
    """Whether capitalised words are a name: not all clinical terms, and more than one plain word."""
    if any(word.kinds & Kind.MEDICAL and not word.kinds & _NAMED for word in head):
        return False
    if document.words[index].lower in _ROOMS:
        return _has_room(document, head, first)
    own = [word for word in head if word.lower not in GENERIC_PLACE_WORDS and not is_only_term(word)]
    if not own or all(word.kinds & Kind.MEDICAL for word in own):
        return False
    if len(own) > 1:
        return True
    word = own[0]
    if word.kinds & Kind.WORD and not word.kinds & Kind.CITY:
        coupled = "&" in document.flat[document.words[first].end : document.words[index].start]
        return coupled or document.words[index].lower in _GENERALS
    return not word.text.isupper() or bool(word.kinds & _NAMED)


def _has_room(document: Document, head: list[Word], first: int) -> bool:
    """`Kalispell ER`, `in Cedar Bluff ER`; a drug of extended release is in no such list."""
    if head[-1].kinds & Kind.CITY and not head[-1].kinds & Kind.WORD:
        return True
    if lexicon().get(" ".join(word.lower for word in head), 0) & Kind.CITY:
        return True
    before = first - len(head) - 1
    prepared = before >= 0 and document.words[before].lower in _BEFORE
    return prepared and len(head) > 1 and not any(word.kinds & Kind.MEDICAL or word.text.isupper() for word in head)


def _says_which(document: Document, start: int, first: int) -> bool:
    """Where capitals say nothing: a town, a word that is no plain one, or somebody was there."""
    words = document.words
    kinds = lexicon()
    name = [word.lower for word in words[start:first]]
    if any(kinds.get(" ".join(name[at:]), 0) & (Kind.CITY | Kind.FACILITY) for at in range(len(name) - 1)):
        return True
    nearest = words[first - 1]
    if any(is_only_term(word) for word in words[start:first]):
        return False
    if nearest.kinds & Kind.CITY and not nearest.kinds & Kind.WORD:
        return True
    type_word = words[first].lower
    if type_word in _ROOMS:
        return len(name) > 1 and is_visited(document, start)
    if type_word in _GENERALS:
        return not all(word.kinds & Kind.MEDICAL for word in words[start:first])
    if is_visited(document, start):
        return True
    if type_word in _ANNEXES:
        return False
    return not nearest.kinds & (Kind.WORD | Kind.MEDICAL) and len(nearest.lower) > 4
