"""Which words a model is asked about, and what becomes of its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.phi.detector import CERTAIN, LIKELY
from gateway.phi.ner.rampart import Rampart
from gateway.phi.ner.recognizer import Mention, MentionKind
from gateway.phi.rules.scan import scan


@dataclass
class Claiming:
    """A model that takes one word for a name wherever it is asked."""

    word: str
    kind: MentionKind = "person"
    score: float = 0.99
    asked: list[str] = field(default_factory=list)

    def recognize(self, sentences: Sequence[str]) -> Sequence[Sequence[Mention]]:
        self.asked += sentences
        return [
            [Mention(at, at + len(self.word), self.kind, self.score)] if (at := sentence.find(self.word)) >= 0 else []
            for sentence in sentences
        ]


def masked(text: str, model: Claiming) -> list[str]:
    return [text[span.start : span.end] for span in scan(text, model) if span.score_milli >= CERTAIN]


@pytest.mark.parametrize(
    "text",
    [
        "The patient takes metformin and has diabetes.",
        "Chief Complaint: Chest pain. Assessment and Plan: CBC, BMP, DTRs intact.",
        "Seen by Dr. Maria Lopez on 01/02/2024.",
        'def loadPatient(firstName): raise ValueError("none")',
        "",
    ],
)
def test_a_model_is_not_asked_about_text_that_rules_and_dictionaries_explain(text: str) -> None:
    model = Claiming("-")
    scan(text, model)
    assert model.asked == []


@pytest.mark.parametrize("code", ["x" * 50, "qwlkzmxnb", "xxxxx", "Abcdefghij" * 4])
def test_a_model_is_not_asked_about_what_nobody_is_called(code: str) -> None:
    model = Claiming("-")
    scan(f'{{"sku": "{code}", "lot": "{code}"}}', model)
    assert model.asked == []


def test_a_model_reads_what_is_said_again_once() -> None:
    model = Claiming("Qorvexa")
    text = "Then Qorvexa came along.\n\n" * 20
    assert masked(text, model) == ["Qorvexa"] * 20
    assert len(model.asked) == 1


def test_a_model_reads_the_sentence_of_an_open_word_and_no_other() -> None:
    model = Claiming("-")
    scan("The pain is worse. Then Qorvexa came along. The labs were fine.", model)
    assert model.asked == ["Then Qorvexa came along. "]


def test_a_model_reads_only_what_is_near_in_a_line_without_end() -> None:
    model = Claiming("-")
    scan("well " * 500 + "and Qorvexa came " + "well " * 500, model)
    assert [len(passage.split()) for passage in model.asked] == [17]


def test_a_name_that_only_the_model_knows_is_masked() -> None:
    assert masked("Then Qorvexa came along.", Claiming("Qorvexa")) == ["Qorvexa"]


def test_roles_and_titles_beside_a_name_stay() -> None:
    assert masked("We told nurse Qorvexa today.", Claiming("nurse Qorvexa")) == ["Qorvexa"]


def test_an_unsure_mention_counts_only_where_something_certain_is() -> None:
    unsure = Claiming("Qorvexa", score=0.6)
    (span,) = scan("Then Qorvexa came along.", unsure)
    assert LIKELY <= span.score_milli < CERTAIN
    assert masked("SSN 917-44-8123. Then Qorvexa came along.", unsure) == ["917-44-8123", "Qorvexa"]


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("Has Qorvexa's disease of the skin.", "Qorvexa"),
        ("Start Qorvexa 40 mg daily.", "Qorvexa"),
        ("Then Qorvexa came with metformin.", "metformin"),
        ("Then Qorvexa felt a gray stone.", "gray stone"),
        ("The Qorvexa says DTRs are intact.", "DTRs"),
        ("Keep [NAME_1] for Qorvexa.", "NAME_1"),
        ("Then Qorvexa saw her Camry.", "Camry"),
        ("Then Qorvexa(x) came, y.qorvexa too.", "Qorvexa"),
        ("Then Qorvexa asked whether Cullen and Grey Turner signs worry her.", "Cullen"),
    ],
)
def test_terms_that_a_model_takes_for_names_stay(text: str, claim: str) -> None:
    assert masked(text, Claiming(claim)) == []


def test_what_a_rule_saw_in_part_counts_as_a_whole() -> None:
    unsure = Claiming("Maria Qorvexa-Blix", score=0.6)
    assert masked("Mrs. Maria, that is Maria Qorvexa-Blix.", unsure) == ["Maria", "Maria Qorvexa-Blix"]


def test_a_name_that_is_a_term_too_is_masked_where_someone_is_spoken_of() -> None:
    assert masked("Can Murphy take Depakote with her coffee?", Claiming("Murphy")) == ["Murphy"]
    assert masked("Is Murphy near the liver?", Claiming("Murphy")) == []


def test_a_month_or_a_colour_in_a_name_stays_part_of_it() -> None:
    assert masked("We talked to Jun Qorvexa.", Claiming("Jun Qorvexa")) == ["Jun Qorvexa"]


def test_a_town_is_a_location() -> None:
    (span,) = scan("Flying out of Qorvexa tonight.", Claiming("Qorvexa", "place"))
    assert span.entity == "LOCATION"


def test_the_real_model_finds_what_no_list_has() -> None:
    text = "Spoke with Oluwatimilehin yesterday about the ride from Qorvexaville."
    found = [text[span.start : span.end] for span in scan(text, Rampart()) if span.score_milli >= CERTAIN]
    assert "Oluwatimilehin" in found


def test_a_model_does_not_make_a_name_of_an_eponym_in_a_list() -> None:
    assert masked("Match Murphy, Cullen, Grey Turner, Kehr to each sign", Claiming("Grey Turner")) == []


def test_a_lone_word_in_a_text_about_nobody_must_be_sure_beyond_doubt() -> None:
    lone = Claiming("Qorvexa", score=0.85)
    assert masked("Then Qorvexa came.", lone) == []
    assert masked("Patient Maria Lopez is here. Then Qorvexa came.", lone) == ["Maria Lopez", "Qorvexa"]
    assert masked("Then Qorvexa Blix came.", Claiming("Qorvexa Blix", score=0.85)) == ["Qorvexa Blix"]
