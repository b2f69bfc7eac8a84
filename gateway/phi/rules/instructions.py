"""Capitalised words that open a sentence before a name, and are no part of it: `Page Maria Lopez`."""

import re
from collections.abc import Sequence

from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Word
from gateway.phi.rules.name_runs import NameRuns
from gateway.phi.rules.name_words import is_plain
from gateway.phi.rules.surroundings import Surroundings
from gateway.phi.rules.vocabulary import HUMAN_VERBS, PERSON_VERBS, word_set

_VERB_ENDING = re.compile(r"(?:[iy][sz]e|ate|ify)\Z")
_PREFIXES = ("de-", "re-")
_GIVEN_NAMES_TOO = word_set("bill mark page grant chase ping will")
"""What is done to people, and given names."""


def is_no_given_name(word: Word) -> bool:
    """`Page`, `Book`, `De-identify`: in a dictionary or ending as verbs do; an initial is neither."""
    if word.kinds & Kind.COMMON_FIRST:
        return False
    return (is_plain(word) and len(word.text) > 1) or _ends_as_verb(word)


def is_instruction(words: Sequence[Word], at: int, end: int, runs: NameRuns, around: Surroundings) -> bool:
    """Whether word `at` of the run up to `end` opens a sentence as a verb, although the run could be one name."""
    if not around.begins_sentence(at):
        return False
    word = words[at]
    if word.lower not in _GIVEN_NAMES_TOO:
        return not word.kinds & (Kind.FIRST | Kind.COMMON_LAST) and is_no_given_name(word)
    if end - at < 3 or not words[at + 1].kinds & Kind.COMMON_FIRST:
        return False
    return _goes_on(end, runs, around)


def _ends_as_verb(word: Word) -> bool:
    """`Summarise`, `Extubate`: on no list of names, which has the first part of `De-identify`."""
    if word.kinds & Kind.LAST and not word.lower.startswith(_PREFIXES):
        return False
    return len(word.text) > 5 and _VERB_ENDING.search(word.lower) is not None


def _goes_on(end: int, runs: NameRuns, around: Surroundings) -> bool:
    """`Bill John Smith for the visit`; not `Bill John Smith called`, where he has both given names."""
    if around.owns(end):
        return True
    follower = runs.next_lower(end)
    if not follower or follower in PERSON_VERBS or follower in HUMAN_VERBS:
        return False
    return not around.says_person(end) and not around.is_subject(end - 1, end)
