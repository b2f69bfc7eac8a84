"""What is asked in a measurement: texts made from a seed, new in every request, so that no cache answers for a scan."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import orjson

MODEL: Final = "claude-haiku-4-5"
FRAMES: Final = 32
"""Text deltas in every streamed answer."""

_SUBJECTS = [
    "sleep",
    "hydration",
    "walking",
    "stretching",
    "breakfast",
    "reading",
    "gardening",
    "posture",
    "breathing",
    "cycling",
]
_FORMS = ["list", "summary", "table", "letter", "poem", "paragraph", "leaflet", "checklist", "outline", "note"]
_TONES = ["plain", "friendly", "brief", "formal", "warm", "careful", "lively", "patient", "cheerful", "neutral"]
_FIRST = [
    "Maria",
    "Daniel",
    "Priya",
    "Samuel",
    "Elena",
    "Victor",
    "Hannah",
    "Marcus",
    "Naomi",
    "Oliver",
    "Teresa",
    "Gordon",
]
_LAST = [
    "Delgado",
    "Whitfield",
    "Okafor",
    "Brandt",
    "Castellano",
    "Huang",
    "Petrov",
    "Lindqvist",
    "Moreau",
    "Abernathy",
]
_STREETS = ["Chestnut", "Willow", "Harbor", "Meadow", "Prospect", "Juniper", "Franklin", "Orchard"]

_NOTE = (
    "Patient: {first} {last}, DOB {month:02}/{day:02}/19{year}, MRN {record}. Seen on {month:02}/{day:02}/2025 at the "
    "outpatient clinic for follow-up of type 2 diabetes and hypertension. {first} lives at {house} {street} Street, "
    "Springfield, IL 62704 and can be reached at (217) 555-{phone:04} or {mail}@example.com. Reports fatigue and "
    "occasional dizziness on standing, no chest pain, no shortness of breath. Blood pressure 148/92, heart rate 78, "
    "A1c 8.1 percent, creatinine 1.1. Metformin 1000 mg twice daily continued, lisinopril raised from 10 to 20 mg "
    "daily. Mr. {last} was counselled on diet and foot care. Insurance member ID {member}. Labs to be repeated in six "
    "weeks; return sooner for syncope or visual changes. Discussed with Dr. {doctor} by phone. Summarise this."
)
_LIVE = (
    "Patient {first} {last}, MRN {record}, phone (217) 555-{phone:04}, asks when to fast before the blood test."
    " Answer briefly."
)


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of request. `directives` tell the sandbox how to stream its answer.

    Connections send their first request over `spread_s` seconds: requests of
    one known length would otherwise stay in step, and wait for each other.
    """

    name: str
    text: Callable[[Random], str]
    directives: str
    spread_s: float = 0.0
    max_tokens: int = 1024

    def bodies(self, seed: int, *, stream: bool) -> Iterator[bytes]:
        """Request bodies without end: the same from the same seed, and no text twice."""
        random = Random(seed)
        ending = f" [[sandbox: {self.directives}]]" if stream else ""
        for number in itertools.count(seed * 1_000_000):
            content = f"{self.text(random)} Copy {_in_words(number)}.{ending}"
            message = {"role": "user", "content": content}
            yield orjson.dumps({"model": MODEL, "max_tokens": self.max_tokens, "stream": stream, "messages": [message]})


def _in_words(number: int) -> str:
    """A number no text shares, in letters: digits could read as an identifier, and be masked where nothing should."""
    return str(number).translate(str.maketrans("0123456789", "bdfghklmnp"))


def _small(random: Random) -> str:
    subject, form, tone = random.choice(_SUBJECTS), random.choice(_FORMS), random.choice(_TONES)
    return f"Write a {tone} {form} about {subject}."


def _facts(random: Random) -> dict[str, str | int]:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    return {
        "first": first,
        "last": last,
        "doctor": random.choice(_LAST),
        "street": random.choice(_STREETS),
        "mail": f"{first}.{last}".lower(),
        "month": random.randint(1, 12),
        "day": random.randint(1, 28),
        "year": random.randint(30, 99),
        "house": random.randint(100, 9999),
        "phone": random.randint(100, 199),
        "record": random.randint(1_000_000, 9_999_999),
        "member": f"XJ{random.randint(10_000_000, 99_999_999)}",
    }


def _note(random: Random) -> str:
    return _NOTE.format(**_facts(random))


def _live(random: Random) -> str:
    return _LIVE.format(**_facts(random))


SMALL: Final = Workload("small", _small, f"frames={FRAMES}")
NOTE: Final = Workload("note", _note, "chunk=23")
LIVE: Final = Workload("live", _live, "chunk=4")
PACED: Final = Workload("paced", _live, "chunk=4; delay_ms=20", spread_s=0.7)
SLOW: Final = Workload("slow", _small, "frames=10; delay_ms=1000")

WORKLOADS: Final = {each.name: each for each in (SMALL, NOTE, LIVE, PACED, SLOW)}
