"""People's names: after titles and roles, before credentials and relations, by lists, and by form."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from gateway.phi.detector import CERTAIN, LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.initials import find_initials
from gateway.phi.rules.instructions import is_instruction, is_no_given_name
from gateway.phi.rules.joined_names import find_joined_names
from gateway.phi.rules.name_runs import NameRuns
from gateway.phi.rules.name_words import PARTICLES, is_like_a_name, is_only_a_name, is_surname_too, is_term
from gateway.phi.rules.places import NO_NAME
from gateway.phi.rules.surroundings import Surroundings, Trigger
from gateway.phi.rules.vocabulary import HUMAN_VERBS, NOT_NAMES, PERSON_VERBS, TITLES

_ECHO_ONLY = 200
"""Too weak to count by itself; marks a word that may repeat a name known from elsewhere."""

_NAME = Kind.FIRST | Kind.LAST
_TERM = Kind.WORD | Kind.MEDICAL
_OPENERS = TITLES | {"pt", "patient", "md", "rn", "np", "nurse"}
"""Words that anything at all may follow as a name."""

_SAYS_A_NAME_FOLLOWS = frozenset(["title", "role", "told"])

_DONE_BY_PEOPLE = HUMAN_VERBS - {
    "would",
    "seems",
    "lost",
    "moved",
    "lives",
    "works",
    "felt",
    "feels",
    "wishes",
    "missed",
}
"""After `Hope` or `Chase`, too, these say that a person is meant."""

_end = attrgetter("end")


def find_names(document: Document, places: Sequence[Span]) -> Iterator[Span]:
    """People's names; `places` are the towns and organisations of the same document, which are none."""
    yield from _Names(document, places).find()
    yield from find_joined_names(document)
    yield from find_initials(document)


class _Names:
    def __init__(self, document: Document, places: Sequence[Span]) -> None:
        self._words = document.words
        self._flat = document.flat
        self._around = Surroundings(document)
        self._taken = _in_places(self._words, places)
        self._runs = NameRuns(document, self._around, self._taken)
        self._caseless = self._runs.caseless
        self._company = -1

    def find(self) -> Iterator[Span]:
        done = 0
        for at in self._candidates():
            if at < done:
                continue
            name = self._name_at(at)
            if name is None:
                if weak := self._echo(at):
                    yield weak
                continue
            end, score = name
            start, stop = self._words[at].start, self._runs.end_of(end - 1)
            yield Span(start, stop, Entity.PERSON, score)
            while end < len(self._words) and self._words[end].start < stop:
                end += 1
            done = end
            self._company = end if score >= CERTAIN or not self._words[at].kinds & Kind.CITY else -1

    def _candidates(self) -> list[int]:
        """Most words are none: in a dictionary, on no list of names, and after no title."""
        words, caseless, shown = self._words, self._caseless, Kind.WORD | Kind.COMMON_FIRST
        found = [
            index
            for index, word in enumerate(words)
            if (
                (word.kinds & _NAME or not word.kinds & _TERM or len(word.lower) == 1)
                and (word.is_capital or caseless or word.kinds & shown != Kind.WORD or word.lower in PARTICLES)
            )
            or word.lower in _OPENERS
        ]
        opened = [index + 1 for index in found if words[index].lower in _OPENERS and index + 1 < len(words)]
        return sorted({*found, *opened}) if opened else found

    def _name_at(self, at: int) -> tuple[int, int] | None:
        """The end of the name that begins at word `at`, and its score; None when none does."""
        found = self._scored(at)
        return None if found is not None and self._is_told_to_do(at, *found) else found

    def _scored(self, at: int) -> tuple[int, int] | None:
        """As `_name_at`, where an instruction before a name still counts as a part of it."""
        if at in self._taken:
            return None
        trigger = self._trigger(at)
        if not self._runs.could_begin(at, trigger):
            return None
        end = self._runs.run(at, lenient=trigger in _SAYS_A_NAME_FOLLOWS)
        if end == at or (self._around.is_eponym(end) and trigger != "title"):
            return None
        if not trigger and self._around.is_operation(at, end):
            return None
        score = self._score(at, end, trigger)
        if score is None and end - at > 1:
            end = at + 1
            score = self._score(at, end, trigger)
        return None if score is None else (end, score)

    def _is_told_to_do(self, at: int, end: int, score: int) -> bool:
        """`Page Maria Lopez`, `Summarise John Smith's chart`: an instruction, and a name certain by itself."""
        if end - at < 2 or self._trigger(at) not in {"", "lead"}:
            return False
        shadows = score < CERTAIN and is_no_given_name(self._words[at])
        if not shadows and not is_instruction(self._words, at, end, self._runs, self._around):
            return False
        inner = self._scored(at + 1)
        if inner is None or inner[0] < end or inner[1] < CERTAIN:
            return False
        return inner[0] - at > 2 or self._runs.inverted_end(at + 1, inner[0]) is not None

    def _trigger(self, at: int) -> Trigger:
        """What stands before, where a name just before that `and` joins counts as `told`."""
        found = self._around.trigger(at)
        if self._company >= 0 and found in {"", "lead"} and self._joins_company(at):
            return "told"
        return found

    def _joins_company(self, at: int) -> bool:
        """`Drs. Chen and Patel`, `Mateo, Lucia, and Inez`: the name before lends its certainty."""
        if not self._company <= at <= self._company + 1:
            return False
        if at == self._company + 1:
            word = self._words[at]
            return self._words[self._company].lower in {"and", "y"} and (is_only_a_name(word) or self._is_given(at))
        mark = self._flat[self._words[at - 1].end : self._words[at].start].strip()
        return (
            mark in {",", "/", "&", ";"} and is_only_a_name(self._words[at]) and not self._words[at].kinds & Kind.CITY
        )

    def _is_given(self, at: int) -> bool:
        """`PRESTON POWELL AND CHASE.`: a frequent given name, and nothing after it."""
        word = self._words[at]
        return word.kinds & Kind.COMMON_FIRST > 0 and self._runs.is_closed(at) and (word.is_capital or self._caseless)

    def _score(self, at: int, end: int, trigger: Trigger) -> int | None:
        if trigger == "title":
            return 850
        if self._flat.startswith(",", self._words[end - 1].end) and self._runs.inverted_end(at, end) is not None:
            return 800
        strength = self._runs.strength(at, end)
        if strength <= -1:
            return None
        if trigger == "role" or self._around.says_person(end):
            if end - at > 1 or is_like_a_name(self._words[at]) or self._runs.is_kin_of(at):
                return 750
            if is_surname_too(self._words[at]) and self._is_placed_surname(at, end, trigger):
                return 650
        if end - at > 1:
            return self._pair(at, end, trigger, strength)
        return self._lone(at, end, trigger)

    def _is_placed_surname(self, at: int, end: int, trigger: Trigger) -> bool:
        """`pt Stout`, `Stout in 412`: capitalised inside a sentence, or with something said of people after it."""
        if self._around.says_person(end):
            return True
        word = self._words[at]
        return trigger == "role" and word.is_capital and not self._caseless and not word.text.isupper()

    def _pair(self, at: int, end: int, trigger: Trigger, strength: float) -> int | None:
        if not trigger and self._is_one_of_terms(at, end):
            return None
        if strength >= 3 and (not self._caseless or self._is_listed_pair(at, end) or trigger):
            return 700
        spoken = self._runs.next_lower(end) in HUMAN_VERBS or self._around.owns(end)
        shown = self._around.closes_letter(at, end) or self._around.is_item(at, end) or self._around.is_subject(at, end)
        if strength >= 2 and (trigger in {"lead", "told"} or spoken or shown):
            return 600
        first, last = self._words[at], self._words[end - 1]
        named = first.kinds & Kind.FIRST and last.kinds & Kind.COMMON_LAST
        if strength >= 2 or (strength >= 1.5 and named):
            return LIKELY
        if strength >= 1.5 and first.kinds & Kind.FIRST and last.kinds and not self._caseless:
            return LIKELY if not self._around.begins_sentence(at) else None
        return None

    def _is_one_of_terms(self, at: int, end: int) -> bool:
        """`Cullen, Grey Turner, Kehr`: an eponym between commas, and no names beside it."""
        inside = self._flat[max(0, self._words[at].start - 2) : self._words[at].start] == ", "
        if not inside or self._flat[self._words[end - 1].end : self._words[end - 1].end + 1] != ",":
            return False
        near = (*self._words[max(0, at - 1) : end], *self._words[end : end + 1])
        return all(word.kinds & Kind.MEDICAL for word in near if word.kinds & Kind.LISTED)

    def _is_listed_pair(self, at: int, end: int) -> bool:
        """Where capitals say nothing, both words have to be listed, or the first be frequent and the last long."""
        first, last = self._words[at], self._words[end - 1]
        if not last.kinds & Kind.LISTED:
            spaced = self._flat[last.start - 1 : last.start] == " "
            return bool(first.kinds & Kind.COMMON_FIRST) and spaced and len(last.text) > 4
        return bool(first.kinds & Kind.FIRST or last.kinds & Kind.COMMON_LAST or first.kinds & last.kinds & Kind.LAST)

    def _lone(self, at: int, end: int, trigger: Trigger) -> int | None:
        """One word by itself: by list or by its oddness, never certain without its surroundings."""
        word = self._words[at]
        if self._flat[word.end : word.end + 1] == "_" or self._flat[max(0, word.start - 1) : word.start] == "_":
            return None
        shown = bool(word.kinds & _NAME) if self._caseless else word.is_capital
        if word.kinds & Kind.MEDICAL and not (trigger == "told" and word.kinds & Kind.COMMON_LAST and shown):
            return self._eponym(at, end) if word.kinds & _NAME and shown else None
        if is_only_a_name(word) or not is_term(word):
            if trigger == "told" and (is_only_a_name(word) or self._is_odd(word)):
                return 600
            return self._listed_or_odd(at, end, shown=shown)
        if not word.kinds & _NAME:
            return None
        if not word.is_capital or self._caseless:
            return 600 if self._runs.is_spoken_of(at) or (trigger == "told" and self._is_given(at)) else None
        return self._plain_word(at, end, trigger)

    def _eponym(self, at: int, end: int) -> int | None:
        """`Hudson reports nausea`: a surname that a sign or a device has too."""
        if self._runs.next_lower(end) in HUMAN_VERBS:
            return 600
        if self._words[at].kinds & Kind.COMMON_LAST and self._around.is_subject(at, end):
            return 600
        return LIKELY if self._around.owns(end) else None

    def _listed_or_odd(self, at: int, end: int, *, shown: bool) -> int | None:
        word, around = self._words[at], self._around
        follower = self._runs.next_lower(end)
        listed = bool(word.kinds & _NAME)
        if around.closes_letter(at, end) and (listed or self._is_odd(word)):
            return 600
        if listed and shown and (around.is_subject(at, end) or around.is_item(at, end)):
            return 600
        if word.kinds & Kind.COMMON_FIRST and not self._caseless and around.is_labelled(at, end):
            return 600
        if shown or word.kinds & Kind.FIRST:
            if listed and (follower in HUMAN_VERBS or around.owns(end) or around.is_asked_about(at)):
                return 600
            if word.kinds & Kind.COMMON_FIRST and shown and follower in PERSON_VERBS:
                return 600
        if not listed:
            return LIKELY if shown and self._is_odd(word) and (follower in HUMAN_VERBS or around.owns(end)) else None
        if word.kinds & Kind.FIRST:
            return LIKELY
        return LIKELY if shown and not word.kinds & Kind.CITY else None

    def _plain_word(self, at: int, end: int, trigger: Trigger) -> int | None:
        """A capitalised word of everyday English that is a name too."""
        word, around = self._words[at], self._around
        follower = self._runs.next_lower(end)
        if word.kinds & Kind.FIRST and around.is_subject(at, end):
            return 600
        if follower in _DONE_BY_PEOPLE and not around.begins_sentence(at):
            return 600
        if not word.kinds & (Kind.COMMON_FIRST | Kind.COMMON_LAST):
            return None
        if trigger == "told" and (not around.begins_sentence(at) or around.is_labelled(at, end)):
            return 600
        if word.kinds & Kind.COMMON_FIRST and (around.closes_letter(at, end) or around.is_asked_about(at)):
            return 600
        if word.kinds & Kind.COMMON_FIRST and (trigger == "lead" or not around.begins_sentence(at)):
            return LIKELY
        if word.kinds & Kind.COMMON_FIRST and follower in _DONE_BY_PEOPLE:
            return 600
        return LIKELY if follower in HUMAN_VERBS or around.owns(end) else None

    def _is_odd(self, word: Word) -> bool:
        """Capitalised, on no list at all, and no abbreviation."""
        if word.kinds & Kind.LISTED or not word.is_capital or len(word.text) < 3:
            return False
        return not word.text.isupper() and not is_term(word)

    def _echo(self, at: int) -> Span | None:
        word = self._words[at]
        if at in self._taken or len(word.text) < 3 or word.lower in NOT_NAMES:
            return None
        plain = not word.is_capital or self._caseless or self._around.begins_sentence(at)
        if plain and word.kinds & (Kind.WORD | Kind.MEDICAL):
            return None
        return Span(word.start, word.end, Entity.PERSON, _ECHO_ONLY)


def _in_places(words: Sequence[Word], places: Sequence[Span]) -> set[int]:
    """Words inside places that are certain; the others may still be names."""
    taken: set[int] = set()
    for span in places:
        if span.score_milli > LIKELY or span.score_milli == NO_NAME:
            index = bisect_right(words, span.start, key=_end)
            while index < len(words) and words[index].start < span.end:
                taken.add(index)
                index += 1
    return taken
