"""How much a word, by itself, is like a part of a name."""

import re

from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Word
from gateway.phi.rules.vocabulary import SPECIES, word_set

PARTICLES = word_set("de la del der den van von da dos di du le el al bin ibn st mac mc ter ten dela los las das")
_VOWELS = frozenset("aeiouy")
_NAME = Kind.FIRST | Kind.LAST
_TERM = Kind.WORD | Kind.MEDICAL
_TERM_ENDING = re.compile(
    r"(?:olog(?:y|ist|ists|ic|ical)|iatr(?:y|ist|ics)|itis|osis|oses|emia|uria|pathy|ectomy|otomy|ostomy|plasty|scopy|scopic|"
    r"graphy|gram|mycin|cillin|floxacin|cycline|azole|olone|pril|sartan|olol|statin|mab|tinib|ciclib|vir|gliptin|gliflozin|"
    r"glutide|parin|xaban|gatran|pine|zepam|zolam|caine|setron|triptan|oxetine|lukast|terol|asone|onide|phylline|dronate|"
    r"metry|lysis|algia|trophy|plegia|paresis|phasia|phagia|pnea|cardia|megaly|penia|cytosis|rrhea|rrhage|coccus|cocci|"
    r"bacter|bacterium|aceae|virus|ase|tional|ment|ness|ingly|ability|ization|zation)\Z"
)
_SHORT_WORDS = word_set("ana ed al art mac lan pam tad ali ida ada ray gerd alma eva ama gina cora")
"""Given names that are abbreviations too: `my ana is positive`, `to the ED`."""

_SHORT_CAPITALS = frozenset(map(str.upper, _SHORT_WORDS)) | word_set("PAT GIL SAL VAN DAN LOU MAX MIN")
NO_NAME_STRENGTH = -5.0


def strength(words: list[Word], initials: list[bool]) -> float:
    """How likely these words together are one name; 3 and more needs nothing else to say so."""
    if not words or any(is_term(word) and not word.kinds & (_NAME | Kind.WORD) for word in words):
        return NO_NAME_STRENGTH
    first, last = words[0], words[-1]
    if last.lower in SPECIES:
        return NO_NAME_STRENGTH
    total = 2.0 if initials[0] else _first_strength(first)
    if len(words) == 1:
        return total
    if initials[-1]:
        return total + 1.5
    if any(initials[1:-1]):
        total += 1
    elif all(word.kinds & Kind.MEDICAL for word in words):
        total -= 1.5
    return total + _last_strength(last)


def may_begin(word: Word) -> bool:
    """Whether a capitalised word may begin a name."""
    if word.kinds & Kind.FIRST:
        return True
    return not word.kinds & Kind.WORD and (not is_term(word) or bool(word.kinds & Kind.LAST))


def is_term(word: Word) -> bool:
    """In a dictionary or among clinical terms, or on no list and ending as such terms do."""
    if word.kinds & Kind.LISTED:
        return bool(word.kinds & _TERM)
    return _TERM_ENDING.search(word.lower) is not None


def is_like_a_name(word: Word) -> bool:
    """A given name, a frequent surname that is no plain word, or a word that no dictionary of things knows."""
    kinds = word.kinds
    return bool(kinds & Kind.FIRST) or not is_term(word) or bool(kinds & Kind.COMMON_LAST and not kinds & Kind.WORD)


def has_inner_capital(word: Word) -> bool:
    """`SortedSet`, `MaxLen`: names of code, or names written together; not `McDonald` or `DeShawn`."""
    text = word.text
    if text[1:].islower() or text.isupper() or "-" in text or "'" in text:
        return False
    return word.lower[:2] not in {"mc", "ma", "de", "di", "la", "le", "va", "fi", "da", "du", "ja"}


def is_only_a_name(word: Word) -> bool:
    """Listed as a name, and as nothing else but a town."""
    return bool(word.kinds & _NAME) and not word.kinds & _TERM


def is_surname_too(word: Word) -> bool:
    """A plain word that is a frequent surname: `Rivers`, `White`, `Church`."""
    return bool(word.kinds & Kind.WORD and word.kinds & Kind.COMMON_LAST)


def is_abbreviation(word: Word, *, caseless: bool) -> bool:
    """Some capitals that no list of names has; in a text of capitals only the short and the unspeakable."""
    text = word.text
    if caseless and word.lower in _SHORT_WORDS:
        return True
    if not text.isupper() or len(text) == 1:
        return False
    if not caseless and (word.kinds & Kind.MEDICAL or len(text) < 3 or text in _SHORT_CAPITALS):
        return True
    frequent = Kind.COMMON_FIRST | Kind.COMMON_LAST
    if word.kinds & frequent or (word.kinds & Kind.FIRST and (caseless or len(text) > 4)):
        return False
    if not caseless and len(text) == 3:
        return True
    if caseless or word.kinds & Kind.LAST:
        return len(text) < 3 or (not word.kinds & Kind.LISTED and (len(text) < 5 or not _VOWELS & set(word.lower)))
    return len(text) < 6


def _first_strength(word: Word) -> float:
    if word.kinds & Kind.COMMON_FIRST:
        found = 3.0
    elif word.kinds & Kind.FIRST:
        found = 2.0
    elif word.kinds & Kind.LAST or (not word.kinds & Kind.LISTED and len(word.text) > 3):
        found = 1.5
    else:
        found = 1.0
    return found - 1.5 if is_plain(word) else found


def _last_strength(word: Word) -> float:
    if word.kinds & Kind.COMMON_LAST:
        found = 2.0
    elif word.kinds & _NAME:
        found = 1.5
    elif not word.kinds & Kind.LISTED:
        found = 1.25
    else:
        found = 0.5
    return found - 1.0 if is_plain(word) else found


def is_plain(word: Word) -> bool:
    """A plain word as a whole; the parts of `O'Brien-Kowalczyk` may be some."""
    return bool(word.kinds & Kind.WORD) and "-" not in word.lower and "'" not in word.lower
