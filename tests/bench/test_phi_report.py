"""The figures of the guard say what was measured, also where nothing was."""

from xml.etree import ElementTree

import pytest

from bench.phi import chart, tables
from bench.phi.conversation import Turns
from bench.phi.cost import Cost, costs, texts
from bench.phi.figures import PRESIDIO, RULES, Figures
from bench.phi.page import between_markers
from bench.phi.samples import Label, Sample
from bench.phi.scoring import Found, Masked, measure

LABELS = [Label(start=0, end=5, type="NAME"), Label(start=9, end=11, type="SSN")]
SAMPLES = [Sample(id="s", kind="phi", text="Maria Lo 12", spans=LABELS)]


def figures(*, with_presidio: bool = True) -> Figures:
    names = [RULES, PRESIDIO] if with_presidio else [RULES]
    score = measure(SAMPLES, lambda _: Found([Masked(0, 5, "PERSON")], 0.001))
    return Figures(
        scores={name: {"dev": score} for name in names},
        costs={name: {"2 KB": Cost(p50=4.0, p99=5.0, messages=9)} for name in names},
        turns=Turns(first=2.0, last=3.0, known=0.4, looked_up=0.01),
        texts={"dev": 1},
    )


def row(lines: list[str], start: str) -> list[str]:
    (line,) = [line for line in lines if line.startswith(f"| {start}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_distance_to_a_goal_is_in_the_unit_of_the_goal() -> None:
    lines = list(tables.distances(figures()))
    assert row(lines, "labels wholly masked")[1:] == ["at least 99 %", "50.00, 49.00 away"]
    assert row(lines, "names wholly masked")[1:] == ["at least 98 %", "100.00, met"]
    assert row(lines, "worst structured type")[1:] == ["at least 99.5 %", "0.00, 99.50 away"]


def test_a_cost_is_for_a_kilobyte_and_a_goal_without_a_measurement_is_not_met() -> None:
    lines = list(tables.distances(figures()))
    assert row(lines, "CPU of a kilobyte, rules  ")[2] == "2.00, 1.00 away"
    assert row(lines, "CPU of a kilobyte, rules and model")[2] == "not measured"
    assert row(lines, "CPU of turn 20")[2] == "1.50, 0.30 away"


def test_goals_are_for_our_fullest_system_and_never_for_presidio() -> None:
    assert figures().product == RULES


@pytest.mark.parametrize("with_presidio", [True, False])
def test_the_chart_is_well_formed_and_names_each_system(with_presidio: bool) -> None:
    drawing = ElementTree.fromstring(chart.draw(figures(with_presidio=with_presidio)))
    said = {text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert (f"Hasp, {RULES}" in said, PRESIDIO in said) == (True, with_presidio)


def test_figures_replace_what_the_markers_of_a_page_enclose() -> None:
    page = "a\n<!-- measured: written by `make bench` -->\nold\n<!-- end of what was measured -->\nb\n"
    assert between_markers(page, "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="no place"):
        between_markers("a page without markers", "new")


def test_messages_have_their_size_and_are_the_same_in_every_run() -> None:
    def taken(size: int) -> list[str]:
        source = texts(SAMPLES, size)
        return [next(source) for _ in range(3)]

    assert [len(each) for each in taken(200)] == [200] * 3
    assert taken(200) == taken(200)


def test_a_system_is_spared_messages_longer_than_it_can_take() -> None:
    sizes: list[int] = []

    def find(text: str) -> Found:
        sizes.append(len(text))
        return Found([], 0.002)

    measured = costs(SAMPLES, find, share=0.01, longest="2 KB")
    assert sizes == [200, 200, 2_000]
    assert measured["2 KB"] == Cost(p50=2.0, p99=2.0, messages=1)
