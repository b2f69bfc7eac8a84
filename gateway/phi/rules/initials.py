"""Names of which only initials are written out: `A. Whitehorse`, `Haugen, J`, `J.K.`, `k.brandt`, `hkoenig`."""

import re
from collections.abc import Iterator

from gateway.phi.detector import Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind, lexicon
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.name_words import is_only_a_name, is_term
from gateway.phi.rules.vocabulary import CREDENTIALS, NOT_NAMES, SPECIES, word_set

_SCORE = 600
_SHORTEST = 4
_NAME = Kind.FIRST | Kind.LAST
_DONE_BY = word_set("by per with and to from cc w tech rn crew via signed or told")
_KNOWN_BY_INITIALS = word_set(
    "pt patient index subject resident client infant initials should does can is for subj participant proband inmate"
)
_ACCOUNTS = word_set("login user username userid tech spi by author committer account actor logon")
_LETTERS = re.compile(r"(?<![\w.])[A-Z]\.(?:[A-Z]'?[A-Z]?\.){1,2}(?!\w)|(?<![\w-])[A-Z]-[A-Z]-[A-Z](?![\w-])")
_NOT_INITIALS = frozenset(
    ["U.S.", "M.D.", "D.O.", "E.R.", "E.D.", "P.O.", "I.V.", "D.C.", "R.N.", "P.A.", "P.M.", "A.M.", "N.P."]
)
_ENDS_AN_ENTRY = re.compile(r"\s*(?:[)|/;\t\n\"]|\Z|,\s*\d)")
_STARTS_AN_ENTRY = re.compile(r"(?:\A|[\n|\t,;(])\s*\Z")


def find_initials(document: Document) -> Iterator[Span]:
    words = document.words
    letters = [index for index, word in enumerate(words) if len(word.text) == 1 or word.text[1] == "-"]
    for index in letters:
        if len(words[index].text) > 1 or not _may_stand_for_a_name(document, words[index]):
            continue
        if index + 1 < len(words) and _precedes_surname(document, index):
            yield Span(words[index].start, words[index + 1].end, Entity.PERSON, _SCORE)
        elif index and _follows_surname(document, index):
            yield Span(words[index - 1].start, words[index].end, Entity.PERSON, _SCORE)
    if letters and document.mentions(_KNOWN_BY_INITIALS):
        for match in _LETTERS.finditer(document.flat):
            before = document.word_before(match.start())
            if match[0] not in _NOT_INITIALS and before >= 0 and words[before].lower in _KNOWN_BY_INITIALS:
                yield Span(match.start(), match.end(), Entity.PERSON, _SCORE)
    if document.mentions(_ACCOUNTS):
        yield from _accounts(document)


def _may_stand_for_a_name(document: Document, letter: Word) -> bool:
    """No article and no `I`, unless a dot or a comma says so."""
    if document.flat[letter.end : letter.end + 1] == "." or document.flat[letter.start - 2 : letter.start - 1] == ",":
        return True
    return letter.is_capital and letter.lower != "i"


def _precedes_surname(document: Document, index: int) -> bool:
    """`A. Whitehorse`, `k.brandt`; without the dot where somebody did something, or has a credential: `J Haugen RN`."""
    words = document.words
    letter, surname = words[index], words[index + 1]
    gap = document.folded[letter.end : surname.start]
    if not _is_surname(surname) or document.flat[letter.start - 1 : letter.start] in {".", "'", "-", "/", "&"}:
        return False
    is_shown = letter.is_capital and surname.is_capital
    if gap in {". ", "."}:
        if gap == "." and document.flat[surname.end : surname.end + 1] in {".", "(", "_", "/"}:
            return False
        if is_only_a_name(surname):
            return is_shown or bool(surname.kinds & Kind.COMMON_LAST) or _is_told(document, index)
        entry = bool(_STARTS_AN_ENTRY.search(document.folded, max(0, letter.start - 4), letter.start))
        return is_shown and entry and surname.kinds & Kind.COMMON_LAST > 0 and _ends_an_entry(document, surname.end)
    if gap != " " or not is_shown or _is_plain(surname) or letter.lower == "i":
        return False
    return _is_told(document, index) or _has_credential(document, index + 2)


def _is_told(document: Document, index: int) -> bool:
    if index == 0:
        return False
    before = document.words[index - 1]
    mark = document.flat[before.end : document.words[index].start].strip()
    return mark == "/" or (before.lower in _DONE_BY and mark in {"", ":"})


def _has_credential(document: Document, after: int) -> bool:
    if after >= len(document.words):
        return False
    word = document.words[after]
    gap = document.flat[document.words[after - 1].end : word.start]
    return gap in {" ", ", "} and word.text.isupper() and word.lower in CREDENTIALS


def _follows_surname(document: Document, index: int) -> bool:
    """`MacAuslan, F` as an entry of its own."""
    surname, letter = document.words[index - 1], document.words[index]
    if document.flat[surname.end : letter.start] not in {", ", ","} or not (surname.is_capital and letter.is_capital):
        return False
    if not _is_surname(surname) or _is_plain(surname):
        return False
    entry = _STARTS_AN_ENTRY.search(document.folded, max(0, surname.start - 4), surname.start)
    told = index > 1 and document.words[index - 2].lower in _DONE_BY
    return bool(entry or told) and _ends_an_entry(document, letter.end)


def _ends_an_entry(document: Document, end: int) -> bool:
    return _ENDS_AN_ENTRY.match(document.folded, end) is not None


def _is_surname(word: Word) -> bool:
    """A name by list or by its form; no species and no everyday word."""
    if len(word.lower) < _SHORTEST - 1 or word.lower in NOT_NAMES or word.lower in SPECIES:
        return False
    if word.kinds & _NAME:
        return True
    return not word.kinds & Kind.LISTED and word.is_capital and len(word.lower) > _SHORTEST and not is_term(word)


def _is_plain(word: Word) -> bool:
    """A word or a term as a whole; the halves of a double name may be."""
    return bool(word.kinds & (Kind.WORD | Kind.MEDICAL)) and "-" not in word.lower


def _accounts(document: Document) -> Iterator[Span]:
    """`login hkoenig`, `user=ablack2`: a letter and a surname written together."""
    words = document.words
    for index in [index for index, word in enumerate(words) if word.lower in _ACCOUNTS and index + 1 < len(words)]:
        word = words[index + 1]
        mark = document.flat[words[index].end : word.start].strip()
        if mark not in {"", ":", "="} or word.kinds & Kind.LISTED or word.is_capital or len(word.lower) <= _SHORTEST:
            continue
        surname = lexicon().get(word.lower[1:], 0)
        if surname & Kind.COMMON_LAST or (surname & Kind.LAST and not surname & (Kind.WORD | Kind.MEDICAL)):
            yield Span(word.start, word.end, Entity.PERSON, _SCORE)
