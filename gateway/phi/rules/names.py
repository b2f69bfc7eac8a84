"""People's names: after titles and roles, before credentials and relations, by lists, and by form."""

from collections.abc import Iterator, Sequence

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.vocabulary import (
    CREDENTIALS,
    EPONYM_HEADS,
    FUNCTION_WORDS,
    LEADS,
    NOT_NAMES,
    PERSON_VERBS,
    RELATIONS,
    ROLES,
    SPECIES,
    TITLES,
)

_MAX_NAME = 4
_ECHO_ONLY = 200
"""Too weak to count by itself; marks a word that may repeat a name known from elsewhere."""

_PARTICLES = frozenset("de la del der den van von da dos di du le el al bin ibn st mac mc ter ten".split())


def find_names(document: Document, places: Sequence[Span]) -> Iterator[Span]:
    return _Names(document, places).find()


class _Names:
    def __init__(self, document: Document, places: Sequence[Span]) -> None:
        self._document = document
        self._words = document.words
        self._flat = document.flat
        self._caseless = document.is_caseless
        self._taken = self._in_places(places)

    def find(self) -> Iterator[Span]:
        at = 0
        while at < len(self._words):
            name = self._name_at(at)
            if name is None:
                if weak := self._echo(at):
                    yield weak
                at += 1
                continue
            end, score = name
            yield Span(self._words[at].start, self._end_of(end - 1), Entity.PERSON, score)
            at = end

    def _name_at(self, at: int) -> tuple[int, int] | None:
        """The end of the name that begins at word `at`, and its score; None when none does."""
        word = self._words[at]
        if at in self._taken or not self._could_begin(at):
            return None
        trigger = self._trigger(at)
        end = self._run(at, lenient=trigger == "title" or trigger == "role")
        if end == at:
            return None
        if self._is_eponym(end):
            return None
        score = self._score(at, end, trigger)
        if score is None and end - at > 1 and not self._likely_first(word):
            return None
        return (end, score) if score is not None else None

    def _score(self, at: int, end: int, trigger: str) -> int | None:
        if trigger == "title":
            return 850
        inverted = self._inverted_end(at, end)
        if inverted is not None:
            return 800
        strength = self._strength(at, end)
        context = trigger == "role" or self._follows_as_person(at, end)
        if context and (end - at > 1 or self._looks_like_name(self._words[at])):
            return 750 if strength > -1 else None
        if end - at > 1:
            if strength >= 3:  # noqa: PLR2004
                return 700
            if trigger == "lead" and strength >= 2:  # noqa: PLR2004
                return 600
            return LIKELY if strength >= 2 else None  # noqa: PLR2004
        return self._lone(at, trigger)

    def _lone(self, at: int, trigger: str) -> int | None:
        """One word by itself: a first name by list, never certain without its surroundings."""
        word = self._words[at]
        if word.kinds & Kind.MEDICAL or not word.kinds & Kind.FIRST:
            return None
        if not word.kinds & Kind.WORD:
            return LIKELY
        if not word.is_capital or not word.kinds & Kind.COMMON_FIRST:
            return None
        if trigger == "lead" or not self._begins_sentence(at):
            return LIKELY
        follower = self._next_lower(at)
        return LIKELY if follower in PERSON_VERBS else None

    def _strength(self, at: int, end: int) -> float:
        words = [word for word in self._words[at:end] if word.lower not in _PARTICLES]
        if not words or any(word.kinds & Kind.MEDICAL and not word.kinds & Kind.LAST for word in words):
            return -5
        first, last = words[0], words[-1]
        total = _first_strength(first)
        if first is last:
            return total
        if last.is_initial:
            return total + 1.5
        total += 1 if any(word.is_initial for word in words[1:-1]) else 0
        if first.is_initial:
            total = 2.0
        if last.lower in SPECIES:
            return -5
        return total + _last_strength(last)

    def _trigger(self, at: int) -> str:
        """What the word before says: `title`, `role`, `lead` or nothing."""
        if at == 0:
            return ""
        before = self._words[at - 1]
        gap = self._flat[before.end : self._words[at].start]
        mark = gap.strip()
        if before.lower in TITLES and mark in {"", "."}:
            return "title"
        if (
            mark in {"", ":", ': "', ",", "."}
            and before.lower == "is"
            and at > 1
            and self._words[at - 2].lower in {"name", "this"}
        ):
            return "role"
        if (
            before.lower in ROLES
            and mark in {"", ":", "#", "-", ".", "(", ':"', '":"'}
            and not (mark == "." and before.lower != "pt")
        ):
            return "role"
        if before.lower in LEADS and mark in {"", ":"}:
            return "lead"
        return ""

    def _run(self, at: int, *, lenient: bool) -> int:
        """The word after the longest stretch from `at` that could be one name."""
        end = at
        while end < len(self._words) and end - at < _MAX_NAME:
            word = self._words[end]
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
            return before.is_initial or before.lower in {"st", "jr"}
        if mark or len(gap) > 3:  # noqa: PLR2004
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
            return word.lower in {"april", "may", "june", "august"} and word.is_capital and self._month_as_name(at)
        if word.is_initial:
            return self._flat[word.end : word.end + 1] == "."
        if word.is_capital and not self._caseless:
            return self._likely_first(word) or self._trigger(at) in {"title", "role"}
        return self._lower_name(at, word)

    def _lower_name(self, at: int, word: Word) -> bool:
        """A name without a capital: by list and no plain word, or any odd word after a title or role."""
        if word.lower in FUNCTION_WORDS or len(word.lower) < 3:  # noqa: PLR2004
            return False
        trigger = self._trigger(at)
        if trigger == "title":
            return bool(word.kinds & (Kind.FIRST | Kind.LAST)) or not word.kinds
        if word.kinds & Kind.MEDICAL and not word.kinds & Kind.FIRST:
            return False
        if trigger == "role":
            return not word.kinds & Kind.WORD or bool(self._caseless and word.kinds & Kind.COMMON_FIRST)
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
        return after.lower not in FUNCTION_WORDS and bool(after.kinds & Kind.LAST) and not after.kinds & Kind.WORD

    def _could_continue(self, at: int, *, first: bool, lenient: bool) -> bool:
        word = self._words[at]
        if word.lower in CREDENTIALS and not first and word.text.isupper():
            return False
        if first:
            return True
        if word.lower in _PARTICLES:
            return at + 1 < len(self._words) and self._words[at + 1].is_capital
        if word.lower in NOT_NAMES or word.lower in FUNCTION_WORDS:
            return False
        if self._caseless:
            plain = word.kinds & Kind.WORD and not word.kinds & Kind.COMMON_LAST
            return not plain and not (word.kinds & Kind.MEDICAL and not word.kinds & Kind.LAST)
        if not word.is_capital:
            before = self._words[at - 1]
            return (
                not before.is_capital and not word.kinds & (Kind.WORD | Kind.MEDICAL) and not before.kinds & Kind.WORD
            )
        if word.is_initial:
            return True
        return not word.kinds & Kind.WORD or bool(word.kinds & (Kind.LAST | Kind.FIRST))

    def _inverted_end(self, at: int, end: int) -> int | None:
        """`Last, First M`: extends over the comma. Only for a run that is one word, or a particle and one."""
        if end >= len(self._words) or end in self._taken:
            return None
        gap = self._flat[self._words[end - 1].end : self._words[end].start]
        last, first = self._words[end - 1], self._words[end]
        if gap.strip() != "," or not gap.startswith(",") or end - at > 2:  # noqa: PLR2004
            return None
        if first.lower in NOT_NAMES or first.lower in CREDENTIALS or not (first.is_capital or self._caseless):
            return None
        known = first.kinds & Kind.FIRST and (not first.kinds & Kind.WORD or first.kinds & Kind.COMMON_FIRST)
        surname = last.kinds & Kind.LAST or not last.kinds
        return (
            end if known and surname and not last.kinds & Kind.COMMON_FIRST or (known and last.text.isupper()) else None
        )

    def _end_of(self, at: int) -> int:
        """Where a name ends whose last word is `at`, with the given name after a comma and the dot of an initial."""
        inverted = self._inverted_end(at, at + 1) if at + 1 < len(self._words) else None
        end = at if inverted is None else inverted
        if (
            inverted is not None
            and end + 1 < len(self._words)
            and self._words[end + 1].is_initial
            and self._joined(end + 1)
        ):
            end += 1
        word = self._words[end]
        return word.end + 1 if word.is_initial and self._flat[word.end : word.end + 1] == "." else word.end

    def _follows_as_person(self, at: int, end: int) -> bool:
        """Whether what comes after is said of people: credentials, a relation, an age, `at bedside`."""
        tail = self._flat[self._words[end - 1].end : self._words[end - 1].end + 24]
        stripped = tail.lstrip(" ,(")
        after = self._words[end].lower if end < len(self._words) else ""
        if (
            tail[:1] in {",", " ", "("}
            and after in CREDENTIALS
            and self._words[end].text.isupper()
            and stripped.lower().startswith(after)
        ):
            return True
        if "(" in tail[:3] and (after in RELATIONS or after in {"dob", "id", "mrn", "ssn", "age"}):
            return True
        if tail[:1] == "," and stripped[:3].strip().rstrip("yMF").isdigit() and stripped[:2].isdigit():
            return True
        if tail.startswith((" <", " at bedside", " called about", " is a ")):
            return True
        return False

    def _is_eponym(self, end: int) -> bool:
        if end < len(self._words) and self._words[end].lower in EPONYM_HEADS:
            gap = self._flat[self._words[end - 1].end : self._words[end].start].strip()
            return gap in {"", "'s", "'"}
        return bool(self._words[end - 1].lower in EPONYM_HEADS and end - 1 >= 0)

    def _begins_sentence(self, at: int) -> bool:
        if at == 0:
            return True
        gap = self._document.folded[self._words[at - 1].end : self._words[at].start]
        return any(mark in gap for mark in ".!?\n:")

    def _month_as_name(self, at: int) -> bool:
        """`Partner April moved out`: a month is a name after a role, unless a number follows."""
        tail = self._flat[self._words[at].end : self._words[at].end + 3].strip()
        return self._trigger(at) in {"role", "title"} and not tail[:1].isdigit()

    def _next_lower(self, at: int) -> str:
        return self._words[at + 1].lower if at + 1 < len(self._words) else ""

    def _echo(self, at: int) -> Span | None:
        word = self._words[at]
        if at in self._taken or len(word.text) < 3 or word.lower in NOT_NAMES:  # noqa: PLR2004
            return None
        if word.kinds & (Kind.WORD | Kind.MEDICAL) and (not word.is_capital or self._begins_sentence(at)):
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
