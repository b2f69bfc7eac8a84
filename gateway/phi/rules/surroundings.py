"""What stands around a possible name and says that it is one, or is none."""

import re
from typing import Literal

from gateway.phi.lexicon.words import Kind
from gateway.phi.rules.document import Document, Word
from gateway.phi.rules.name_words import is_abbreviation
from gateway.phi.rules.vocabulary import (
    ASKING,
    CLOSINGS,
    CREDENTIALS,
    EPONYM_HEADS,
    LABELS,
    LEADS,
    NAMED,
    RELATIONS,
    ROLES,
    SPOKEN_WITH,
    TELLING,
    TITLES,
    word_set,
)

Trigger = Literal["title", "role", "told", "lead", ""]
"""What the words before say of the next one: after a title it is a name; after a role (`son`), when it can be one;
after `told` (`spoke with`), when it is listed or odd; after a lead (`by`) it only may be."""

_ROLE_MARKS = frozenset(["", ":", "#", "-", "(", ':"', '":"', "=", ': "', '"', "/", "->", "- ", ", a", '("'])
_TITLE_MARKS = frozenset(["", ".", "#"])
_NOT_AFTER_COMMA = Kind.WORD | Kind.MEDICAL | Kind.CITY
_AFTER = re.compile(
    r"""
    \s?[,(]\s?(?:aged?\s)?\d{1,2}\s?[,).]
    | [\s,(;:|-]{1,3}(?:
        (?:an?\s|aged?\s|age:?\s)?\d{1,3}\s?-?\s?(?:y\.?\s?/?o\b|yrs?\b|years?\b|y\b|f\b|m\b|female\b|male\b|mo\b|months?\b)
      | (?:DOB|D\.O\.B|MRN|SSN|d\so\sb|dob|mrn|ssn|b\.\s?\d|born\s|pt\s|patient\s)
      | (?:in|to|from|for)\s(?:rm|room|bed|bay|\d{2,3}\b)
      | (?:rm|room|bed)\s\#?\d
      | \d{1,3}\s?[MF]\b | (?:bp|wt|hr)\s\d
      | at\sbedside | at\sbs\b | here\b | c/o\s | s/p\s | \d{1,2}\s?[mf]\b | w/\s
      | notified\b | aware\b | paged\b
    )
    | \sis\san?\s(?:[a-z]+,?\s){0,2}(?:\d|male|female|man|woman|boy|girl|gentleman|lady|infant|newborn|toddler|patient|
        resident|smoker|teacher|nurse|retired|widow|student|veteran|teen|engineer|farmer|mother|father)
    | \s<
    """,
    re.VERBOSE,
)
_ABOUT_PEOPLE = re.compile(
    r"""
    \s(?:was|is|has|had|were)\s(?:(?:last|not|been|now|currently|recently|also|still|being|just|never|already)\s){0,2}(?:
        seen|admitted|discharged|referred|diagnosed|given|started|taking|scheduled|due|transferred|found|brought|born|
        evaluated|told|advised|asked|having|doing|feeling|allergic|pregnant|married|single|divorced|widowed|retired|
        refusing|crying|complaining|living|working|here|there|able|unable|stable|afebrile|alert|sleeping|ambulating|
        interested|worried|concerned|anxious|upset|hospitalized|treated|prescribed|notified|updated|present|aware|on\s\w+|
        back|home|coming|going|waiting|requesting|asking|eating|walking|better|worse|happy|eligible|listed|making|
        tolerating|progressing|participating|improving|struggling|declining|driving|responding|teething|breathing)\b
    | ,\s(?:who|whose|whom)\s
    | ,\s(?:an?|the)\s(?:\w+\s){0,2}(?:teacher|nurse|engineer|farmer|student|driver|cashier|retired|lawyer|cook|chef|
        welder|pilot|veteran|teen|teenager|boy|girl|man|woman|male|female|mother|father|smoker|carpenter|electrician|plumber|
        mechanic|firefighter|waiter|waitress|accountant|dentist|pharmacist|patient|resident|clerk|manager|worker|\d+)\b
    | \s(?:lost|quit|left|got|had|has)\s(?:his|her|their|a|an|the|job|work)\b
    | \s(?:after|before|despite|given|whose|who|to)\s
    | \s\(\d+\s?(?:kg|lb|yo|y|m|f)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FREQUENT = Kind.COMMON_FIRST | Kind.COMMON_LAST
_ANYTHING = _FREQUENT | Kind.WORD | Kind.MEDICAL | Kind.CITY
_BED_ITEM = re.compile(r"\n\d{1,3}[A-Z]?\s[-:]\s\Z")
_ITEM = re.compile(r"(?:\d[.)]|[-*\u2022]|\n)\s?\Z")
_OWNED = re.compile(
    r"'s?\s(?:(?:last|latest|recent|new|current|next|most\srecent|repeat|home|upcoming|morning|two|three|old)\s)?(?:"
    r"mom|mother|dad|father|wife|husband|son|daughter|sister|brother|aunt|uncle|parents|family|caregiver|guardian|spouse|"
    r"partner|potassium|sodium|creatinine|hemoglobin|platelets|inr|a1c|glucose|labs?|results?|chart|meds?|medications?|"
    r"appointment|appt|visits?|dose|blood|bp|vitals|room|pharmacy|insurance|records?|mri|ct|x-ray|xray|scan|biopsy|"
    r"pathology|discharge|refill|prescriptions?|symptoms|pain|surgery|history|case|note|request|claim|prior|care|condition|"
    r"progress|provider|doctor|pcp|nurse|weight|kidney|liver|heart|problem|allerg\w+|file|referral|birthday|address|phone|"
    r"employer|school|lawyer|attorney|house|neighbor|hospice|oncologist|cardiologist|teacher|report|imaging|echo|ekg|ecg|"
    r"palpitations?|headaches?|nausea|dizziness|fatigue|burning|swelling|numbness|itching|bleeding|cramps|tremors?|"
    r"chest\s|abdominal\s|low\s|joint\s|stools?|urin\w+|breathing|vomiting|insomnia|falls?|hearing|speech|"
    r"cough|fever|rash|knee|hip|back|leg|arm|wound|incision|stitches|cast|asthma|diabetes|seizures?|depression|anxiety)\b",
    re.IGNORECASE,
)
_OPERATION = re.compile(r"(?:ectomy|otomy|ostomy|plasty|pexy|scopy|graphy|rrhaphy)\Z")
_SEXES = frozenset(["m", "f"])
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv"])
_BEDS = frozenset(["bed", "rm", "room", "bay"])
_LINKS = frozenset(["with", "by", "from", "to", "for", "of", "w", "u", "re", "regarding", "about"])
_LEFT = TITLES | ROLES | LABELS | NAMED | SPOKEN_WITH | LEADS | _BEDS | _LINKS | {"boy", "girl"}
"""Words that say something of the next one; all others say nothing."""

_INFINITIVES = word_set(
    "take have be get need start stop continue drive fly come go eat drink use receive see allergic on still "
    "ready safe able due eligible okay ok cleared at risk supposed taking having getting doing return skip try "
    "switch undergo travel"
)


class Surroundings:
    """Looks left and right of the words of one document, which are named by their index."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._words = document.words
        self._flat = document.flat
        self._known: dict[int, Trigger] = {}

    def trigger(self, at: int) -> Trigger:
        found = self._known.get(at)
        if found is None:
            found = self._known[at] = self._trigger(at) if at else self._opening()
        return found

    def _opening(self) -> Trigger:
        return "told" if self._flat[:1] == "@" else ""

    def _trigger(self, at: int) -> Trigger:
        before = self._words[at - 1]
        lower = before.lower
        if lower in _SEXES and self._is_age(at - 1):
            return "told"
        if lower not in _LEFT:
            return "told" if self._flat[before.end : self._words[at].start].strip() in {"@", "->"} else ""
        mark = self._flat[before.end : self._words[at].start].strip()
        if lower in TITLES and mark in _TITLE_MARKS:
            return "" if self._is_unit(before) or self._is_finding(at) else "title"
        if lower in {"boy", "girl"} and not mark and at > 1 and self._words[at - 2].lower == "baby":
            return "title"
        if lower in ROLES:
            if mark in _ROLE_MARKS or (mark == "." and lower in {"pt", "attn"}):
                return "role"
            if mark in {",", "'s"} and not self._words[at].kinds & _NOT_AFTER_COMMA:
                return "told"
        if lower in LABELS and mark in {":", "=", ':"', '":"', ': "'}:
            return "told"
        return self._verb_trigger(at, lower, mark)

    def _verb_trigger(self, at: int, lower: str, mark: str) -> Trigger:
        """What verbs and prepositions say: `goes by`, `spoke with`, `by`."""
        if lower in NAMED and mark in {"", ":", '"', "'", ': "'} and self._names_somebody(at - 1):
            return "role"
        if mark in {"", ":", "->", "@", "-"} and self._is_told(at - 1, lower, mark):
            return "told"
        if (lower in _BEDS and _in_bed(mark)) or (lower == "w" and mark == "/" and self._is_surname_alone(at)):
            return "told"
        if lower in LEADS and mark in {"", ":"}:
            return "lead"
        return ""

    def _is_age(self, at: int) -> bool:
        """`19M Oduya`, `65 yo female Ortiz`."""
        word = self._words[at]
        return self._flat[max(0, word.start - 2) : word.start].strip(" y").isdigit() and self._flat[word.end] == " "

    def _is_unit(self, word: Word) -> bool:
        """`12000 ms. Likely`"""
        return self._flat[max(0, word.start - 2) : word.start].strip().isdigit()

    def _is_finding(self, at: int) -> bool:
        """`mild MR. EKG: ...`: two abbreviations."""
        before, word = self._words[at - 1], self._words[at]
        return before.text.isupper() and is_abbreviation(word, caseless=self._document.is_caseless)

    def _names_somebody(self, at: int) -> bool:
        """`goes by`, `this is`, `my name is`, `mother is`, `i am`."""
        lower = self._words[at].lower
        before = self._words[at - 1].lower if at else ""
        if lower in {"is", "was"}:
            return before in {"name", "this", "names"} or (before in RELATIONS and lower == "is")
        if lower in {"by", "am"}:
            return before == ("goes" if lower == "by" else "i")
        return True

    def _is_told(self, at: int, lower: str, mark: str) -> bool:
        """`spoke with`, `handoff from`, `appt with`, `lvm for`; or one word that says as much, as `paged`."""
        if mark in {"->", "@"} or lower in SPOKEN_WITH:
            return True
        if lower not in _LINKS or at == 0:
            return False
        if lower == "u":
            return self._flat[self._words[at].start - 2 : self._words[at].start].lower() == "f/"
        if lower == "w":
            return self._flat[self._words[at - 1].start : self._words[at].start] in {"s/", "d/", "S/", "D/"}
        return self._words[at - 1].lower in TELLING

    def _is_surname_alone(self, at: int) -> bool:
        """`w/ Hoffman`: a frequent name that is nothing else."""
        word = self._words[at]
        return word.kinds & _ANYTHING == word.kinds & _FREQUENT != 0

    def is_asked_about(self, at: int) -> bool:
        """`Can Douglas take ...`, `Is Rosa due ...`: a question about somebody."""
        if at == 0 or at + 1 >= len(self._words) or self._words[at - 1].lower not in ASKING:
            return False
        asks = self.begins_sentence(at - 1) or self._words[at - 1].lower in {"does", "did", "should", "can"}
        return asks and self._words[at + 1].lower in _INFINITIVES

    def closes_letter(self, at: int, end: int) -> bool:
        """`Thanks, Priya`, `Best, Anjali`, `- Bev` at the end of a line."""
        rest = self._document.folded[self._words[end - 1].end : self._words[end - 1].end + 3].lstrip(" .!)")
        if rest and rest[0] not in "\n\r":
            return (self._thanks(at) and rest[0] in "!,-") or False
        return self._thanks(at) or self._dashed_line(at)

    def _thanks(self, at: int) -> bool:
        if at == 0 or self._words[at - 1].lower not in CLOSINGS:
            return False
        mark = self._flat[self._words[at - 1].end : self._words[at].start].strip()
        return mark in {",", "!", ".", "-", "", ",-", "--", "~"}

    def _dashed_line(self, at: int) -> bool:
        start = self._words[at].start
        prefix = self._document.folded[max(0, start - 4) : start].rstrip(" ")
        return prefix.endswith(("\n-", "\n~", "\n--", ". -", "? -", "! -", "~"))

    def says_person(self, end: int) -> bool:
        """Whether what comes after is said of people: credentials, a relation, an age, `at bedside`."""
        stop = self._words[end - 1].end
        if end < len(self._words):
            after = self._words[end]
            gap = self._flat[stop : after.start]
            if (
                after.lower in CREDENTIALS
                and after.lower not in _SUFFIXES
                and gap in {", ", ",", " ", "  ", " (", " - "}
                and after.text.isupper()
            ):
                return True
            if gap in {" (", "(", ", "} and after.lower in RELATIONS and (gap != ", " or self._closes(end)):
                return True
            if gap.startswith(" (") and after.lower in {"pt", "his", "her", "patient", "pts", "their"}:
                return True
        return _AFTER.match(self._flat, stop) is not None

    def _closes(self, at: int) -> bool:
        """`Bertrand Achebe, father.`"""
        return (
            self._flat[self._words[at].end : self._words[at].end + 1] in {".", ",", ";", ")", ""}
            or self._words[at].lower == "at"
        )

    def is_item(self, at: int, end: int) -> bool:
        """`1. Johnson - CHF`: the head of an entry in a list of patients."""
        stop = self._words[end - 1].end
        if self._flat[stop : stop + 3] not in {" - ", " / "} and self._flat[stop : stop + 2] not in {": ", ", "}:
            return False
        start = self._words[at].start
        if self._flat[stop : stop + 2] == ", ":
            return _BED_ITEM.search(self._document.folded[max(0, start - 8) : start]) is not None
        return start == 0 or _ITEM.search(self._document.folded[max(0, start - 4) : start]) is not None

    def is_labelled(self, at: int, end: int) -> bool:
        """`Circulator: Candace;`: a label, and nothing more than the name after it."""
        if at == 0:
            return False
        gap = self._flat[self._words[at - 1].end : self._words[at].start]
        rest = self._document.folded[self._words[end - 1].end : self._words[end - 1].end + 2]
        return gap.strip() == ":" and (not rest.strip() or rest[0] in ";,.\n/")

    def is_subject(self, at: int, end: int) -> bool:
        """`Peter was seen`, `Karl, a teacher`; after a preposition `in Diaz after`."""
        match = _ABOUT_PEOPLE.match(self._flat, self._words[end - 1].end)
        if match is None:
            return False
        if match[0].strip() in {"after", "before", "despite", "given", "to"}:
            return at > 0 and self._words[at - 1].lower in {"in", "for", "with", "on"}
        return True

    def owns(self, end: int) -> bool:
        """`Darnell's mom`, `Delgado's potassium`."""
        return _OWNED.match(self._flat, self._words[end - 1].end) is not None

    def is_eponym(self, end: int) -> bool:
        if end < len(self._words) and self._words[end].lower in EPONYM_HEADS:
            gap = self._flat[self._words[end - 1].end : self._words[end].start].strip()
            return gap in {"", "'s", "'"}
        return self._words[end - 1].lower in EPONYM_HEADS

    def is_operation(self, at: int, end: int) -> bool:
        """`Ivor Lewis esophagectomy`; not `Maria Lopez colonoscopy`, which names a patient."""
        first = self._words[at].kinds
        if end >= len(self._words) or end - at < 2 or not first & Kind.MEDICAL or first & Kind.COMMON_FIRST:
            return False
        gap = self._flat[self._words[end - 1].end : self._words[end].start].strip()
        return gap in {"", "'s", "'"} and _OPERATION.search(self._words[end].lower) is not None

    def begins_sentence(self, at: int) -> bool:
        if at == 0:
            return True
        gap = self._document.folded[self._words[at - 1].end : self._words[at].start]
        return any(mark in gap for mark in ".!?\n:")


def _in_bed(mark: str) -> bool:
    """`Bed 12 Willis:`, `Rm 302 - Cho`."""
    head, _, number = mark.rstrip(":-. ").rpartition(" ")
    return number.isdigit() and not head
