"""What a program made of each of its scenarios, and what the provider heard meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAME = "Ottilie Vandersloot"
NUMBER = "88231407"
TELLS = ("Vandersloot", "Ottilie", NUMBER)


def note(client: str) -> str:
    """A text that names a patient and, for the record of what was heard, a client."""
    return f"To the {client} desk: patient {NAME}, MRN {NUMBER}, was seen."


@dataclass(frozen=True, slots=True)
class Outcomes:
    client: str
    by_scenario: Mapping[str, Mapping[str, Any]]
    heard: tuple[str, ...]
    """Bodies that the provider was sent while the program ran."""

    def answer(self, scenario: str) -> Any:
        outcome = self.by_scenario[scenario]
        assert "answer" in outcome, outcome["raised"]
        return outcome["answer"]

    def raised(self, scenario: str) -> dict[str, Any]:
        outcome = self.by_scenario[scenario]
        assert "raised" in outcome, outcome["answer"]
        return outcome["raised"]

    def assert_restored(self, scenario: str = "restored", *, heard: int = 2) -> None:
        """The caller's own words came back, plain and streamed, and the provider saw placeholders in their place.

        `heard` is how often it was told of the patient by all scenarios.
        """
        assert self.answer(scenario) == [f"Echo: {note(self.client)}"] * 2
        masked = [body for body in self.heard if f"To the {self.client} desk: patient [NAME_1], MRN [MRN_1]" in body]
        assert len(masked) == heard
        assert [tell for tell in TELLS if any(tell in body for body in self.heard)] == []
