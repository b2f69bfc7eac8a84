"""What stands around a possible name and says that it is one, or is none."""

from typing import Literal

from gateway.phi.rules.document import Document
from gateway.phi.rules.vocabulary import CREDENTIALS, EPONYM_HEADS, LEADS, RELATIONS, ROLES, TITLES, word_set

Trigger = Literal["title", "role", "lead", ""]
_RECORD_LABELS = word_set("dob id mrn ssn age")


class Surroundings:
    """Looks left and right of the words of one document, which are named by their index."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._words = document.words
        self._flat = document.flat

    def trigger(self, at: int) -> Trigger:
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

    def says_person(self, end: int) -> bool:
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
        if "(" in tail[:3] and (after in RELATIONS or after in _RECORD_LABELS):
            return True
        if tail[:1] == "," and stripped[:2].isdigit() and stripped[:3].strip().rstrip("yMF").isdigit():
            return True
        return tail.startswith((" <", " at bedside", " called about", " is a "))

    def is_eponym(self, end: int) -> bool:
        if end < len(self._words) and self._words[end].lower in EPONYM_HEADS:
            gap = self._flat[self._words[end - 1].end : self._words[end].start].strip()
            return gap in {"", "'s", "'"}
        return bool(self._words[end - 1].lower in EPONYM_HEADS and end - 1 >= 0)

    def begins_sentence(self, at: int) -> bool:
        if at == 0:
            return True
        gap = self._document.folded[self._words[at - 1].end : self._words[at].start]
        return any(mark in gap for mark in ".!?\n:")

    def next_lower(self, at: int) -> str:
        return self._words[at + 1].lower if at + 1 < len(self._words) else ""
