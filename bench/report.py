"""What a run says, as text."""

from collections.abc import Iterable, Iterator

from bench.goals import GOALS, Distance, distance
from bench.measurement import Cell, Results, Sample
from bench.stack import DIRECT, TARGETS

_COLUMNS = (
    f"{'':22} {'':9} {'n':>6} {'req/s':>7} {'p50':>7} {'p99':>7} {'+p50':>7} {'+p99':>7} {'+first':>7}"
    f" {'api':>6} {'scan':>6} {'pg':>6} {'up':>6} {'load':>5}"
)


def text(results: Results) -> str:
    return "\n".join((*_table(results), "", *_goals(results), "", *_memory(results)))


def distances(results: Results) -> list[Distance]:
    return [distance(goal, results) for goal in GOALS]


def _table(results: Results) -> Iterator[str]:
    yield "Latencies and processor time in ms; + is over direct; api, scan, pg, up(stream): CPU of one request there;"
    yield "load: share of a core that the load generator used."
    yield _COLUMNS
    for cell in dict.fromkeys(cell for cell, _ in results.samples):
        for target in TARGETS:
            yield _row(results, cell, target)


def _row(results: Results, cell: Cell, target: str) -> str:
    each = results.samples[cell, target]
    name = str(cell) if target == DIRECT else ""
    first = each.first_token_p50 if target == DIRECT else results.added_first_token(cell, target)
    added = (
        ("", "") if target == DIRECT else (_ms(results.added_p50(cell, target)), _ms(results.added_p99(cell, target)))
    )
    return (
        f"{name:22} {target:9} {each.requests:>6} {each.per_second:>7.0f} {_ms(each.p50):>7} {_ms(each.p99):>7}"
        f" {added[0]:>7} {added[1]:>7} {_ms(first):>7} {_costs(each, target)} {each.load_busy:>5.2f}"
    )


def _costs(each: Sample, target: str) -> str:
    ours = (each.api_cpu, each.scanner_cpu, each.postgres_cpu)
    own = "".join(f"{'' if target == DIRECT else f'{cost:.2f}':>6} " for cost in ours)
    return f"{own}{each.sandbox_cpu:>6.2f}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _goals(results: Results) -> Iterator[str]:
    yield f"{'Goal':52} {'goal':>9} {'measured':>9} {'ratio':>6}"
    for each in distances(results):
        goal = each.goal
        bound = f"{'>=' if goal.at_least else '<='} {goal.limit:g}"
        if each.measured is None:
            yield f"{goal.what:52} {bound:>9} {'':>9} {'':>6}  not measured in this run"
        else:
            yield (
                f"{goal.what:52} {bound:>9} {each.measured:>9.2f} {each.ratio:>6.2f}"
                f"  {goal.unit:4}{'met' if each.met else 'not met'}"
            )


def _memory(results: Results) -> Iterable[str]:
    cell = [cell for cell, _ in results.samples][-1]
    for target in TARGETS[1:]:
        api, scanners = results.samples[cell, target].api_memory, results.samples[cell, target].scanner_memory
        yield (
            f"Memory at the end, {target}: API {api.rss:.0f} MB RSS, {api.pss:.0f} PSS;"
            f" scanners {scanners.rss:.0f} RSS, {scanners.pss:.0f} PSS"
        )
