"""A run measures every set with every system it was asked for."""

from bench.phi import page
from bench.phi.figures import RULES
from bench.phi.run import Extent, run
from bench.phi.samples import sets


def test_a_small_run_scores_every_set_and_tells_of_each_system() -> None:
    told: list[str] = []
    figures = run(Extent(most=1_000, costs=0.001, conversations=1, with_presidio=False), [], told.append)
    assert set(figures.scores[RULES]) == set(sets()) == set(figures.texts)
    assert figures.systems == [RULES] == [told[0].strip()]
    assert all(0 < score.whole.chars < 5_000 for score in figures.scores[RULES].values())
    assert figures.turns.first > 0
    assert any(line.startswith("| labels wholly masked") for line in page.body(figures))
