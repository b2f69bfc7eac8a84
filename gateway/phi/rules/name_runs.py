"""Where a name begins and ends: words, initials and particles that belong together."""

from collections.abc import Container

from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.name_words import (
    NO_NAME_STRENGTH,
    PARTICLES,
    has_inner_capital,
    is_abbreviation,
    is_like_a_name,
    is_only_a_name,
    is_plain,
    is_term,
    may_begin,
    strength,
)
from gateway.phi.rules.surroundings import Surroundings, Trigger
from gateway.phi.rules.vocabulary import (
    CREDENTIALS,
    FUNCTION_WORDS,
    HUMAN_VERBS,
    MONTHS_AS_NAMES,
    NOT_NAMES,
    RELATIONS,
    TITLES,
)

_MAX_NAME = 5
_NAME = Kind.FIRST | Kind.LAST
_TERM = Kind.WORD | Kind.MEDICAL
_NAMING = Kind.COMMON_FIRST | Kind.COMMON_LAST
_LABEL_LETTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SURNAMES_TOO = frozenset(["black", "white", "lane", "church", "street", "case", "day", "sun", "bill"])
_WEEKDAYS = frozenset(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
_LOOSE_ROLES = frozenset(
    ["name", "named", "user", "author", "client", "contact", "is", "am", "hi", "hello", "participant"]
)
_COMMAS = frozenset([", ", ",", ",  "])


class NameRuns:
    def __init__(self, document: Document, around: Surroundings, taken: Container[int]) -> None:
        self._document = document
        self._words = document.words
        self._flat = document.flat
        self._around = around
        self._taken = taken
        self.caseless = document.is_caseless or not any(
            word.is_capital and len(word.text) > 1 and not word.text.isupper() for word in self._words
        )
        """Whether capitals say nothing: all in one case, or only abbreviations in capitals."""

    def strength(self, at: int, end: int) -> float:
        words = [word for word in self._words[at:end] if word.lower not in PARTICLES] or self._words[at:end]
        initials = [self.is_initial(word) for word in words]
        return NO_NAME_STRENGTH if all(initials) else strength(words, initials)

    def next_lower(self, end: int) -> str:
        """The word after, in the same sentence."""
        if end >= len(self._words) or self._flat[self._words[end - 1].end : self._words[end].start].strip():
            return ""
        return self._words[end].lower

    def is_initial(self, word: Word) -> bool:
        if len(word.text) != 1 or not (word.is_capital or self.caseless):
            return False
        after = self._flat[word.end : word.end + 1]
        return not after.isdigit() and after not in {"/", "+", "-"}

    def run(self, at: int, *, lenient: bool) -> int:
        """The word after the longest stretch from `at` that could be one name."""
        end = at
        while end < len(self._words) and end - at < _MAX_NAME:
            if end in self._taken or (end > at and not self._joined(end)):
                break
            if not self._could_continue(end, first=end == at, lenient=lenient):
                break
            end += 1
        while end > at and (self._words[end - 1].lower in PARTICLES or self._words[end - 1].lower in CREDENTIALS):
            if end - at == 1 and self._words[at].kinds & _NAME:
                break
            end -= 1
        return end

    def could_begin(self, at: int, trigger: Trigger) -> bool:
        word = self._words[at]
        if word.lower in NOT_NAMES or word.lower in TITLES:
            return self._could_be_meant(at, trigger)
        if word.lower in PARTICLES and trigger == "title":
            return True
        if self._is_ruled_out(at, word, trigger):
            return False
        if self.is_initial(word):
            return self._flat[word.end : word.end + 1] == "." and self._flat[word.start - 1 : word.start] != "."
        if self.inverted_end(at, at + 1) is not None:
            return True
        if word.is_capital and not self.caseless:
            return may_begin(word) or bool(trigger) or bool(word.kinds & Kind.LAST)
        return self._lower_name(at, word, trigger)

    def _could_be_meant(self, at: int, trigger: Trigger) -> bool:
        """A word that is seldom a name, as one: `Do, Pa`, `St. Clair`, `Wednesday Blackburn`, `April`."""
        word = self._words[at]
        if word.lower in CREDENTIALS and trigger == "role" and word.text.istitle():
            return at + 1 < len(self._words) and self._words[at + 1].is_capital and self._joined(at + 1)
        if word.lower == "st" and trigger in {"title", "role"} and self._flat.startswith(". ", word.end):
            return self._leads_to_surname(at)
        if word.lower in _WEEKDAYS and word.is_capital and not word.text.isupper():
            return trigger == "title" or (trigger == "role" and self._next_is_last(at))
        if word.lower in _SURNAMES_TOO and word.is_capital and not self.caseless:
            return trigger in {"title", "role", "told"}
        return word.is_capital and word.lower in MONTHS_AS_NAMES and self._month_as_name(at, trigger)

    def _is_ruled_out(self, at: int, word: Word, trigger: Trigger) -> bool:
        """Small words, credentials, abbreviations and the names of code."""
        if word.lower in FUNCTION_WORDS and trigger != "title" and not self._is_called_so(at, word):
            return True
        if word.lower in CREDENTIALS and word.text.isupper() and not trigger:
            return True
        listed = word.kinds & Kind.LISTED
        if trigger in {"title", "role"} and listed:
            return trigger == "role" and len(word.text) == 2 and word.text.isupper() and bool(word.kinds & _TERM)
        return is_abbreviation(word, caseless=self.caseless) or (not listed and has_inner_capital(word))

    def _is_called_so(self, at: int, word: Word) -> bool:
        """`Will` and the like: a given name inside a sentence, or before a surname."""
        if not word.is_capital or not word.kinds & Kind.COMMON_FIRST or self.caseless:
            return False
        return self._next_is_last(at) or not self._around.begins_sentence(at) or self._around.is_subject(at, at + 1)

    def inverted_end(self, at: int, end: int) -> int | None:
        """The given name's index in `Last, First`. Both by list, or of unknown words after a role (`Patient X, Y`)."""
        if end >= len(self._words) or end in self._taken:
            return None
        last, first = self._words[end - 1], self._words[end]
        if not self._flat.startswith(",", last.end) or self._flat[last.end : first.start] not in _COMMAS:
            return None
        if not ((first.is_capital and last.is_capital) or self.caseless):
            return None
        trigger = self._around.trigger(at)
        if first.lower in CREDENTIALS:
            return end if self._is_given_too(end) and is_only_a_name(last) else None
        if last.lower in FUNCTION_WORDS:
            return None
        if last.lower in NOT_NAMES and not (last.lower in MONTHS_AS_NAMES and first.kinds & Kind.FIRST):
            return None
        if first.lower in NOT_NAMES and not self._is_month_given(last, first, trigger):
            return None
        if self.is_initial(first):
            return end if self._flat[first.end : first.end + 1] == "." and is_only_a_name(last) else None
        if not trigger and self._is_listed_off(end):
            return None
        return end if _is_inverted(last, first, trigger) or self._is_filed(end - 1) else None

    def _is_month_given(self, last: Word, first: Word, trigger: Trigger) -> bool:
        """`Kowalczyk, Jan`, and no date after a name: `Kowalczyk, Jan 3`."""
        named = trigger or last.lower in MONTHS_AS_NAMES or is_only_a_name(last)
        dated = self._flat[first.end : first.end + 3].strip(" .")[:1].isdigit()
        return bool(named and first.kinds & Kind.COMMON_FIRST) and not dated

    def _is_given_too(self, at: int) -> bool:
        """`Xiong, Pa Houa`: written as a name is, with another word of the name after it."""
        after = self._words[at + 1] if at + 1 < len(self._words) and self._joined(at + 1) else None
        return self._words[at].text.istitle() and after is not None and after.text.istitle() and is_like_a_name(after)

    def _is_listed_off(self, at: int) -> bool:
        """`Rovsing, Murphy, Cullen, Kehr`: terms one after the other, of which no two are one name."""
        first, last = self._words[at], self._words[at - 1]
        if not (first.kinds & last.kinds & Kind.MEDICAL):
            return False
        before = self._words[at - 2].end if at > 1 else 0
        return "," in self._flat[before : last.start] or self._flat.startswith(",", first.end)

    def _is_filed(self, at: int) -> bool:
        """`Rivers, Pat - ...`, `price, bill dob ...`: plain words too, at the head of an entry on a person."""
        last, first = self._words[at], self._words[at + 1]
        given = first.kinds & Kind.COMMON_FIRST or (is_only_a_name(last) and not is_term(first) and len(first.text) > 2)
        if not (last.kinds & Kind.LAST and given) or (last.kinds & Kind.MEDICAL and not last.kinds & Kind.COMMON_LAST):
            return False
        if not (self._around.begins_sentence(at) or self._flat[last.start - 1 : last.start] in {'"', "(", "|"}):
            return False
        sure = first.kinds & Kind.COMMON_FIRST and last.kinds & Kind.COMMON_LAST and not first.kinds & _TERM
        if sure and first.text.isupper() and last.text.isupper() and not self._document.is_caseless:
            return True
        if sure and self._document.folded[first.end : first.end + 1] in {",", ".", ";", "|", ")", "\n", "\t", ""}:
            return True
        return self._flat[first.end : first.end + 3] in {" - ", " | "} or self._around.says_person(at + 2)

    def end_of(self, at: int) -> int:
        """Where a name ends whose last word is `at`, with the given name after a comma and the dot of an initial."""
        inverted = self.inverted_end(at, at + 1) if at + 1 < len(self._words) else None
        end = at if inverted is None else inverted
        if inverted is not None:
            end = self._with_middle_name(end)
        word = self._words[end]
        return word.end + 1 if self.is_initial(word) and self._flat[word.end : word.end + 1] == "." else word.end

    def _with_middle_name(self, end: int) -> int:
        """`Falco, Juan Jose G`: a middle name, an initial, or both."""
        once = self._one_more(end)
        return self._one_more(once) if once > end and not self.is_initial(self._words[once]) else once

    def _one_more(self, end: int) -> int:
        after = end + 1
        if after < len(self._words) and self._joined(after) and after not in self._taken:
            word = self._words[after]
            odd = self._words[end].lower in CREDENTIALS and not word.kinds & Kind.LISTED
            if self.is_initial(word) or (word.is_capital and (odd or is_only_a_name(word)) and not self.caseless):
                return after
        return end

    def _joined(self, at: int) -> bool:
        """Whether word `at` follows the one before it as part of the same name."""
        before = self._words[at - 1]
        gap = self._flat[before.end : self._words[at].start]
        if gap == " ":
            return not self._is_label(at)
        mark = gap.strip()
        if mark == ".":
            return self.is_initial(before) or before.lower in {"st", "jr"}
        if gap == "_":
            return True
        if mark in {'"', "(", ")", "'"}:
            return self._is_nickname(at)
        if mark or len(gap) > 3:
            return False
        return not self._is_label(at)

    def _is_nickname(self, at: int) -> bool:
        """`William "Bill" Hathaway`, `Robert (Bobby) Tran`: word `at` inside the marks, or just after them."""
        word, before = self._words[at], self._words[at - 1]
        opened = self._flat[word.start - 1 : word.start] in {'"', "(", "'"}
        inside = at if opened else at - 1
        if inside + 1 >= len(self._words) or inside < 1:
            return False
        marks = self._flat[self._words[inside].start - 2 : self._words[inside].start]
        closing = self._flat[self._words[inside].end : self._words[inside + 1].start]
        if marks not in {' "', " (", " '"} or closing not in {'" ', ") ", "' "}:
            return False
        after = self._words[inside + 1]
        return (
            (word if opened else before).is_capital
            and after.is_capital
            and bool(after.kinds & _NAME or not after.kinds & Kind.LISTED)
        )

    def _is_label(self, at: int) -> bool:
        """`MRN:` after a name on the line before is the next field."""
        if "\n" not in self._document.folded[self._words[at - 1].end : self._words[at].start]:
            return False
        end = self._words[at].end
        return self._flat[end : end + 12].lstrip(_LABEL_LETTERS)[:1] == ":"

    def _lower_name(self, at: int, word: Word, trigger: Trigger) -> bool:
        """A name without a capital: by list and no plain word, or any odd word after a title or role."""
        if word.lower in PARTICLES and not self.caseless:
            return self._leads_to_surname(at)
        if word.lower in FUNCTION_WORDS or len(word.lower) < 3:
            return False
        if trigger == "title":
            return bool(word.kinds & _NAME) or not word.kinds & Kind.LISTED
        if word.kinds & Kind.MEDICAL and not word.kinds & _NAME:
            return False
        if word.kinds & Kind.WORD:
            return self._plain_name(at, word, trigger)
        if trigger == "role" and not word.kinds & Kind.LISTED:
            return self._words[at - 1].lower not in _LOOSE_ROLES
        if trigger == "role" or self.caseless:
            return True
        return bool(word.kinds & Kind.FIRST) or (trigger == "told" and is_only_a_name(word))

    def _plain_name(self, at: int, word: Word, trigger: Trigger) -> bool:
        """`pt short in rm 3`, `violet at bedside`, `amir hosseini`: a plain word in small letters as a name."""
        if trigger == "role" and word.kinds & Kind.LAST and self._around.says_person(at + 1):
            return True
        if trigger == "role" and self.is_kin_of(at) and word.kinds & _NAMING:
            return True
        if word.kinds & Kind.COMMON_FIRST and word.lower != "guy" and self._around.says_person(at + 1):
            return True
        if trigger == "told" and word.kinds & Kind.COMMON_FIRST and self.is_closed(at):
            return True
        if trigger == "role" and self._words[at - 1].lower == "pcp" and word.kinds & Kind.COMMON_LAST:
            return self.is_closed(at) or word.end == len(self._flat)
        if not word.kinds & Kind.FIRST:
            return False
        if self._flat.startswith(" at bedside", word.end) or self.is_spoken_of(at):
            return True
        if not self._next_is_last(at) or not (self.caseless or trigger == "role"):
            return False
        after = self._words[at + 1]
        return bool(word.kinds & Kind.COMMON_FIRST) or (is_only_a_name(after) and not after.kinds & Kind.CITY)

    def is_kin_of(self, at: int) -> bool:
        """`SON CHASE`, `brother ace`: right after a word for a relation."""
        before = self._words[at - 1] if at else None
        if before is None or before.lower not in RELATIONS or before.lower in {"pt", "patient", "self", "parent"}:
            return False
        return self._flat[before.end : self._words[at].start] in {" ", "  ", ' "', " '"}

    def is_closed(self, at: int) -> bool:
        return self._flat[self._words[at].end : self._words[at].end + 1] in {".", ",", ";", ")"}

    def is_spoken_of(self, at: int) -> bool:
        """`bob reports`, `angel's glucose`: a frequent given name without the help of a capital."""
        if not self._words[at].kinds & Kind.COMMON_FIRST:
            return False
        return self.next_lower(at + 1) in HUMAN_VERBS or self._around.owns(at + 1)

    def _next_is_last(self, at: int) -> bool:
        if at + 1 >= len(self._words) or not self._joined(at + 1):
            return False
        after = self._words[at + 1]
        return after.lower not in FUNCTION_WORDS and bool(after.kinds & Kind.LAST)

    def _could_continue(self, at: int, *, first: bool, lenient: bool) -> bool:
        word = self._words[at]
        if first:
            return True
        if word.lower in CREDENTIALS and word.text.isupper():
            return False
        if word.lower in PARTICLES:
            return self._leads_to_surname(at)
        before = self._words[at - 1]
        after_first = bool(before.kinds & Kind.COMMON_FIRST) and not before.kinds & Kind.MEDICAL
        if self.is_initial(word) and self._flat[word.end : word.end + 1] == ".":
            return True
        if word.lower in NOT_NAMES or word.lower in FUNCTION_WORDS:
            surname = word.is_capital and bool(word.kinds & Kind.LAST) and not self.caseless
            return (
                surname and word.lower in MONTHS_AS_NAMES | _SURNAMES_TOO and (after_first or self.is_initial(before))
            )
        if self.caseless:
            led = after_first or lenient or self.is_initial(before)
            plain = is_plain(word) and not (word.kinds & Kind.COMMON_LAST and led)
            return not plain and not (word.kinds & Kind.MEDICAL and not word.kinds & Kind.LAST)
        if not word.is_capital:
            return self._continues_in_lower_case(word, before, lenient=lenient, after_first=after_first)
        if self.is_initial(word):
            return True
        if not word.kinds & Kind.WORD or word.kinds & _NAME:
            return True
        closed = self._flat[word.end : word.end + 1] in {",", ".", ")"}
        led = lenient and closed and word.text.istitle() and not before.kinds & (Kind.COMMON_LAST | _TERM)
        return led and not word.kinds & Kind.MEDICAL

    def _continues_in_lower_case(self, word: Word, before: Word, *, lenient: bool, after_first: bool) -> bool:
        if before.is_capital and before.lower not in PARTICLES:
            return False
        if lenient and after_first and word.kinds & Kind.COMMON_LAST:
            return True
        return not word.kinds & _TERM and not before.kinds & Kind.WORD

    def _leads_to_surname(self, at: int) -> bool:
        """`van der Berg`: particles up to a word that can be a surname."""
        end = at + 1
        while end < len(self._words) and end - at < 3 and self._words[end].lower in PARTICLES and self._joined(end):
            end += 1
        if end >= len(self._words) or not self._joined(end):
            return self._words[at].is_capital and bool(self._words[at].kinds & _NAME) and not self.caseless
        after = self._words[end]
        return (after.is_capital or self.caseless) and (is_like_a_name(after) or bool(after.kinds & Kind.LAST))

    def _month_as_name(self, at: int, trigger: Trigger) -> bool:
        """`Partner April moved out`, `Jan Johansson`: a month that a role precedes or a surname follows."""
        tail = self._flat[self._words[at].end : self._words[at].end + 3].strip()
        if tail[:1].isdigit():
            return False
        if at + 1 < len(self._words) and self.is_initial(self._words[at + 1]) and self._joined(at + 1):
            return True
        if trigger in {"role", "title"} or self.inverted_end(at, at + 1) is not None:
            return True
        surname = self._words[at + 1] if at + 1 < len(self._words) and self._joined(at + 1) else None
        return bool(
            surname
            and surname.is_capital
            and surname.kinds & Kind.LAST
            and (surname.kinds & Kind.COMMON_LAST or not surname.kinds & Kind.WORD)
        )


def _is_inverted(last: Word, first: Word, trigger: Trigger) -> bool:
    if last.kinds & Kind.COMMON_FIRST and not last.kinds & Kind.COMMON_LAST:
        return False
    if trigger in {"role", "lead", "told"} and (last.kinds & Kind.LAST or not last.kinds & Kind.LISTED):
        return bool(first.kinds & Kind.FIRST) or not first.kinds & (_TERM | Kind.CITY)
    if first.kinds & Kind.COMMON_FIRST and last.kinds & Kind.COMMON_LAST and not last.kinds & Kind.WORD:
        return True
    given = first.kinds & Kind.FIRST and not first.kinds & Kind.WORD
    surname = (last.kinds & Kind.LAST or not last.kinds & Kind.LISTED) and not last.kinds & (
        Kind.WORD | Kind.COMMON_FIRST
    )
    return bool(given and surname)
