"""People's names: after titles and roles, before credentials and relations, by lists, and by form."""

from collections.abc import Iterator, Sequence

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.surroundings import Surroundings, Trigger
from gateway.phi.rules.vocabulary import (
    AMBIGUOUS_LAST_NAMES,
    CREDENTIALS,
    FUNCTION_WORDS,
    HUMAN_VERBS,
    NOT_NAMES,
    PERSON_VERBS,
    SPECIES,
    word_set,
)

_MAX_NAME = 4
_ECHO_ONLY = 200
"""Too weak to count by itself; marks a word that may repeat a name known from elsewhere."""

_PARTICLES = word_set("de la del der den van von da dos di du le el al bin ibn st mac mc ter ten")


def find_names(document: Document, places: Sequence[Span]) -> Iterator[Span]:
    return _Names(document, places).find()


class _Names:
    def __init__(self, document: Document, places: Sequence[Span]) -> None:
        self._document = document
        self._words = document.words
        self._flat = document.flat
        self._caseless = document.is_caseless
        self._around = Surroundings(document)
        self._taken = self._in_places(places)

    def find(self) -> Iterator[Span]:
        at = 0
        while at < len(self._words):
            if self._is_plain(self._words[at]):
                at += 1
                continue
            name = self._name_at(at)
            if name is None:
                if weak := self._echo(at):
                    yield weak
                at += 1
                continue
            end, score = name
            yield Span(self._words[at].start, self._end_of(end - 1), Entity.PERSON, score)
            at = end

    def _is_plain(self, word: Word) -> bool:
        """Most words: in the dictionary, on no list of names, and without a capital that could say more."""
        is_small = not word.is_capital or self._caseless
        return is_small and bool(word.kinds & Kind.WORD) and not word.kinds & (Kind.FIRST | Kind.LAST)

    def _name_at(self, at: int) -> tuple[int, int] | None:
        """The end of the name that begins at word `at`, and its score; None when none does."""
        word = self._words[at]
        if at in self._taken or not self._could_begin(at):
            return None
        trigger = self._around.trigger(at)
        end = self._run(at, lenient=trigger == "title" or trigger == "role")
        if end == at:
            return None
        if self._around.is_eponym(end):
            return None
        score = self._score(at, end, trigger)
        if score is None and end - at > 1 and not self._likely_first(word):
            return None
        return (end, score) if score is not None else None

    def _score(self, at: int, end: int, trigger: Trigger) -> int | None:
        if trigger == "title":
            return 850
        inverted = self._inverted_end(at, end)
        if inverted is not None:
            return 800
        strength = self._strength(at, end)
        context = trigger == "role" or self._around.says_person(end)
        if context and (end - at > 1 or self._looks_like_name(self._words[at])):
            return 750 if strength > -1 else None
        if end - at > 1:
            if strength >= 3:
                return 700
            if trigger == "lead" and strength >= 2:
                return 600
            named = self._words[at].kinds & Kind.FIRST and self._words[end - 1].kinds & Kind.COMMON_LAST
            return LIKELY if strength >= 2 or (strength >= 1.5 and named) else None
        return self._lone(at, trigger)

    def _lone(self, at: int, trigger: Trigger) -> int | None:
        """One word by itself: a first name by list, never certain without its surroundings."""
        word = self._words[at]
        if word.kinds & Kind.MEDICAL:
            return None
        if not word.kinds & Kind.FIRST:
            spoken = self._around.next_lower(at) in HUMAN_VERBS or (trigger == "lead" and word.kinds & Kind.LAST)
            return LIKELY if spoken and word.is_capital and not word.kinds & Kind.WORD else None
        if not word.kinds & Kind.WORD:
            said = word.kinds & Kind.COMMON_FIRST and word.is_capital and self._around.next_lower(at) in PERSON_VERBS
            return 600 if said else LIKELY
        if not word.is_capital or not word.kinds & Kind.COMMON_FIRST:
            return None
        if trigger == "lead" or not self._around.begins_sentence(at):
            return LIKELY
        follower = self._around.next_lower(at)
        return LIKELY if follower in PERSON_VERBS else None

    def _strength(self, at: int, end: int) -> float:
        words = [word for word in self._words[at:end] if word.lower not in _PARTICLES]
        if not words or any(word.kinds & Kind.MEDICAL and not word.kinds & Kind.LAST for word in words):
            return -5
        first, last = words[0], words[-1]
        total = _first_strength(first)
        if first is last:
            return total
        if self._is_initial(last):
            return total + 1.5
        total += 1 if any(self._is_initial(word) for word in words[1:-1]) else 0
        if self._is_initial(first):
            total = 2.0
        if last.lower in SPECIES:
            return -5
        return total + _last_strength(last)

    def _run(self, at: int, *, lenient: bool) -> int:
        """The word after the longest stretch from `at` that could be one name."""
        end = at
        while end < len(self._words) and end - at < _MAX_NAME:
            if end in self._taken or (end > at and not self._joined(end)):
                break
            if not self._could_continue(end, first=end == at, lenient=lenient):
                break
            end += 1
        while end > at and (self._words[end - 1].lower in _PARTICLES or self._words[end - 1].lower in CREDENTIALS):
            end -= 1
        return end

    def _joined(self, at: int) -> bool:
        """Whether word `at` follows the one before it as part of the same name."""
        before = self._words[at - 1]
        gap = self._flat[before.end : self._words[at].start]
        mark = gap.strip()
        if mark == ".":
            return self._is_initial(before) or before.lower in {"st", "jr"}
        if mark or len(gap) > 3:
            return False
        return not self._is_label(at)

    def _is_label(self, at: int) -> bool:
        """`MRN:` after a name on the line before is the next field."""
        return "\n" in self._document.folded[self._words[at - 1].end : self._words[at].start] and (
            self._flat[self._words[at].end : self._words[at].end + 12].lstrip(
                " ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
            )[:1]
            == ":"
        )

    def _could_begin(self, at: int) -> bool:
        word = self._words[at]
        if word.lower in NOT_NAMES:
            return (
                word.lower in {"jan", "april", "may", "june", "august"} and word.is_capital and self._month_as_name(at)
            )
        if self._is_initial(word):
            return self._flat[word.end : word.end + 1] == "."
        if self._inverted_end(at, at + 1) is not None:
            return True
        if word.is_capital and not self._caseless:
            return self._likely_first(word) or self._around.trigger(at) in {"title", "role"}
        return self._lower_name(at, word)

    def _lower_name(self, at: int, word: Word) -> bool:
        """A name without a capital: by list and no plain word, or any odd word after a title or role."""
        if word.lower in FUNCTION_WORDS or len(word.lower) < 3:
            return False
        trigger = self._around.trigger(at)
        if trigger == "title":
            return bool(word.kinds & (Kind.FIRST | Kind.LAST)) or not word.kinds
        if word.kinds & Kind.MEDICAL and not word.kinds & (Kind.FIRST | Kind.LAST):
            return False
        if trigger == "role":
            return not word.kinds & Kind.WORD or bool(word.kinds & Kind.COMMON_FIRST and self._next_is_last(at))
        if word.kinds & Kind.WORD:
            return bool(self._caseless and word.kinds & Kind.COMMON_FIRST and self._next_is_last(at))
        return (
            bool(word.kinds & Kind.FIRST)
            or bool(self._caseless and word.kinds & Kind.LAST)
            or bool(self._caseless and not word.kinds)
        )

    def _next_is_last(self, at: int) -> bool:
        if at + 1 >= len(self._words) or not self._joined(at + 1):
            return False
        after = self._words[at + 1]
        return after.lower not in FUNCTION_WORDS and bool(after.kinds & Kind.LAST)

    def _could_continue(self, at: int, *, first: bool, lenient: bool) -> bool:
        word = self._words[at]
        if word.lower in CREDENTIALS and not first and word.text.isupper():
            return False
        if first:
            return True
        if word.lower in _PARTICLES:
            return at + 1 < len(self._words) and self._words[at + 1].is_capital
        before = self._words[at - 1]
        after_first = bool(before.kinds & Kind.COMMON_FIRST) and not before.kinds & Kind.MEDICAL
        if self._is_initial(word) and self._flat[word.end : word.end + 1] == ".":
            return True
        if word.lower in NOT_NAMES or word.lower in FUNCTION_WORDS:
            return after_first and word.is_capital and word.lower in AMBIGUOUS_LAST_NAMES
        if self._caseless:
            plain = word.kinds & Kind.WORD and not (word.kinds & Kind.COMMON_LAST and (after_first or lenient))
            return not plain and not (word.kinds & Kind.MEDICAL and not word.kinds & Kind.LAST)
        if not word.is_capital:
            if lenient and after_first and word.kinds & Kind.COMMON_LAST:
                return not before.is_capital
            return (
                not before.is_capital and not word.kinds & (Kind.WORD | Kind.MEDICAL) and not before.kinds & Kind.WORD
            )
        if self._is_initial(word):
            return True
        return not word.kinds & Kind.WORD or bool(word.kinds & (Kind.LAST | Kind.FIRST))

    def _inverted_end(self, at: int, end: int) -> int | None:
        """The given name's index in `Last, First`. Both by list, or of unknown words after a role (`Patient X, Y`)."""
        if end >= len(self._words) or end in self._taken or end - at > 2:
            return None
        last, first = self._words[end - 1], self._words[end]
        gap = self._flat[last.end : first.start]
        if gap not in {", ", ",", ",  "} or not ((first.is_capital and last.is_capital) or self._caseless):
            return None
        trigger = self._around.trigger(at)
        if first.lower in CREDENTIALS or (
            first.lower in NOT_NAMES and not (trigger and first.kinds & Kind.COMMON_FIRST)
        ):
            return None
        if last.lower in NOT_NAMES or last.lower in FUNCTION_WORDS:
            return None
        if trigger in {"role", "lead"} and (last.kinds & Kind.LAST or not last.kinds):
            given = first.kinds & Kind.FIRST or not first.kinds & (Kind.WORD | Kind.MEDICAL | Kind.CITY)
            return end if given else None
        if first.kinds & Kind.COMMON_FIRST and last.kinds & Kind.COMMON_LAST and not last.kinds & Kind.WORD:
            return end
        given = first.kinds & Kind.FIRST and not first.kinds & Kind.WORD
        surname = (last.kinds & Kind.LAST or not last.kinds) and not last.kinds & (Kind.WORD | Kind.COMMON_FIRST)
        return end if given and surname else None

    def _end_of(self, at: int) -> int:
        """Where a name ends whose last word is `at`, with the given name after a comma and the dot of an initial."""
        inverted = self._inverted_end(at, at + 1) if at + 1 < len(self._words) else None
        end = at if inverted is None else inverted
        if (
            inverted is not None
            and end + 1 < len(self._words)
            and self._is_initial(self._words[end + 1])
            and self._joined(end + 1)
        ):
            end += 1
        word = self._words[end]
        return word.end + 1 if self._is_initial(word) and self._flat[word.end : word.end + 1] == "." else word.end

    def _month_as_name(self, at: int) -> bool:
        """`Partner April moved out`, `Jan Johansson`: a month that a role precedes or a surname follows."""
        tail = self._flat[self._words[at].end : self._words[at].end + 3].strip()
        if tail[:1].isdigit():
            return False
        if self._around.trigger(at) in {"role", "title"}:
            return True
        surname = self._words[at + 1] if at + 1 < len(self._words) and self._joined(at + 1) else None
        return bool(surname and surname.is_capital and not surname.kinds & (Kind.WORD | Kind.MEDICAL))

    def _echo(self, at: int) -> Span | None:
        word = self._words[at]
        if at in self._taken or len(word.text) < 3 or word.lower in NOT_NAMES:
            return None
        plain = not word.is_capital or self._caseless or self._around.begins_sentence(at)
        if plain and word.kinds & (Kind.WORD | Kind.MEDICAL):
            return None
        return Span(word.start, word.end, Entity.PERSON, _ECHO_ONLY)

    def _in_places(self, places: Sequence[Span]) -> set[int]:
        taken: set[int] = set()
        ordered = sorted((span for span in places if span.score_milli > LIKELY), key=lambda span: span.start)
        at = 0
        for index, word in enumerate(self._words):
            while at < len(ordered) and ordered[at].end <= word.start:
                at += 1
            if at < len(ordered) and ordered[at].start < word.end:
                taken.add(index)
        return taken

    def _is_initial(self, word: Word) -> bool:
        return len(word.text) == 1 and (word.is_capital or self._caseless)

    @staticmethod
    def _likely_first(word: Word) -> bool:
        """Whether a capitalised word may begin a name by itself."""
        if word.kinds & Kind.FIRST:
            return True
        return not word.kinds & Kind.WORD and not (word.kinds & Kind.MEDICAL and not word.kinds & Kind.LAST)

    @staticmethod
    def _looks_like_name(word: Word) -> bool:
        return bool(word.kinds & Kind.FIRST) or not word.kinds & (Kind.WORD | Kind.MEDICAL)


def _first_strength(word: Word) -> float:
    if word.kinds & Kind.COMMON_FIRST:
        strength = 3.0
    elif word.kinds & Kind.FIRST:
        strength = 2.0
    else:
        strength = 1.0
    return strength - 1.5 if word.kinds & Kind.WORD else strength


def _last_strength(word: Word) -> float:
    if word.kinds & Kind.COMMON_LAST:
        strength = 2.0
    elif word.kinds & (Kind.LAST | Kind.FIRST) or not word.kinds:
        strength = 1.5
    else:
        strength = 0.5
    return strength - 1.0 if word.kinds & Kind.WORD else strength
