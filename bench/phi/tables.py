"""A run's figures as Markdown tables, for the terminal and for `docs/phi-guard.md`."""

from collections.abc import Iterator, Mapping, Sequence

from bench.phi.conversation import TURNS, Turns
from bench.phi.cost import Cost
from bench.phi.figures import COST_GOALS, GOALS, Figures, Goal
from bench.phi.scoring import Score

_QUALITY = (
    "set",
    "system",
    "texts",
    "cover",
    "touch",
    "precision",
    "over",
    "unleaked",
    "query touch",
    "query over",
    "ms/KB",
)


def quality(figures: Figures) -> Iterator[str]:
    """One row for each set and system."""
    rows = [
        [name, system, *_quality_cells(scores[name])]
        for name in figures.texts
        for system, scores in figures.scores.items()
        if name in scores
    ]
    yield from _table(_QUALITY, rows)


def _quality_cells(score: Score) -> list[str]:
    whole, queries = score.whole, score.queries
    shares = (whole.cover, whole.touch, whole.precision, whole.over, whole.unleaked, queries.touch, queries.over)
    return [str(whole.texts), *map(percent, shares), f"{whole.ms_per_kb:.1f}"]


def classes(figures: Figures) -> Iterator[str]:
    """Share of labels wholly masked, by their kind; a column for each set and system."""
    columns = [
        (f"{name}: {system}", scores[name].whole)
        for name in figures.texts
        for system, scores in figures.scores.items()
        if name in scores
    ]
    kinds = sorted({kind for _, tally in columns for kind in tally.labels})
    rows = [[kind, *(percent(tally.cover_of(kind)) for _, tally in columns)] for kind in kinds]
    yield from _table(["label", *(title for title, _ in columns)], rows)


def costs(figures: Figures) -> Iterator[str]:
    """Milliseconds of processor time for a message, p50 / p99."""
    sizes = list(dict.fromkeys(size for costs in figures.costs.values() for size in costs))
    rows = [[system, *(_cost(costs, size) for size in sizes)] for system, costs in figures.costs.items()]
    yield from _table(["p50 / p99, ms", *sizes], rows)


def _cost(costs: Mapping[str, Cost], size: str) -> str:
    each = costs.get(size)
    return f"{each.p50:.1f} / {each.p99:.1f} (of {each.messages})" if each else "not measured"


def turns(each: Turns) -> str:
    return (
        f"A new message of 500 characters costs {each.first:.1f} ms as turn 1 and {each.last:.1f} ms as turn {TURNS}"
        f" ({each.ratio:.2f} times); each turn that was scanned before costs {each.known:.2f} ms,"
        f" {each.looked_up:.3f} ms of it to find its verdict again."
    )


def distances(figures: Figures) -> Iterator[str]:
    """Every goal beside what was measured: of the product on each set, then of this machine."""
    sets = list(figures.scores[figures.product])
    yield from _table(["measure", "goal", *sets], [_distances(goal, figures, sets) for goal in GOALS])
    yield ""
    rows = [_distances(goal, figures, sets[:1]) for goal in COST_GOALS]
    yield from _table(["cost", "goal", "measured"], rows)


def _distances(goal: Goal, figures: Figures, sets: Sequence[str]) -> list[str]:
    return [*_goal(goal), *(_distance(goal, goal.on(figures, name)) for name in sets)]


def _goal(goal: Goal) -> list[str]:
    bound = "at least" if goal.at_least else "at most"
    return [goal.what, f"{bound} {goal.limit:g}{' %' if goal.unit == '%' else ' ' + goal.unit}"]


def _distance(goal: Goal, value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:.2f}" + (", met" if goal.is_met(value) else f", {abs(value - goal.limit):.2f} away")


def percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what is in them, so that it reads well unrendered too."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    yield _row(head, widths)
    yield _row(["-" * width for width in widths], widths)
    for row in rows:
        yield _row(row, widths)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
