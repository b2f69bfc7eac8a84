"""Scores the guard on one file of labelled texts: `python -m bench.phi_eval FILE.jsonl [--ner NAME] [--misses N]`."""

import argparse
from pathlib import Path

from bench.phi import systems
from bench.phi.samples import read
from bench.phi.scoring import Score, Tally, measure
from bench.phi.tables import percent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.phi_eval", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--misses", type=int, default=0, metavar="N", help="also print N leaks and N false alarms")
    parser.add_argument("--ner", choices=systems.RECOGNIZERS, default="none", help="the model behind the rules")
    options = parser.parse_args()
    score = measure(read(options.file), systems.guard(options.ner))
    show(score)
    whole = score.whole
    for line in (*whole.leaks[: options.misses], "--", *whole.alarms[: options.misses]):
        print(line)


def show(score: Score) -> None:
    whole = score.whole
    for name, value, meaning in (
        ("cover", whole.cover, "labels wholly masked"),
        ("touch", whole.touch, "labels masked at least in part"),
        ("precision", whole.precision, "masks that are right"),
        ("over", whole.over, "PHI-free texts with a mask"),
        ("without leak", whole.unleaked, "texts with PHI"),
        ("query touch", score.queries.touch, "labels of short queries"),
        ("query over", score.queries.over, "short PHI-free texts with a mask"),
    ):
        print(f"{name:18} {percent(value):>5} %  {meaning}")
    print(f"{'CPU':18} {whole.ms_per_kb:5.2f} ms a kilobyte, one thread")
    _show_classes(whole)


def _show_classes(tally: Tally) -> None:
    for kind in sorted(tally.labels):
        print(f"  {kind:16} {percent(tally.cover_of(kind)):>5} %  of {tally.labels[kind]}")


if __name__ == "__main__":
    main()
