"""Writes a run into `docs/phi-guard.md`, between its markers, and draws the chart beside it."""

from pathlib import Path
from typing import Final

from bench.phi import chart, tables
from bench.phi.figures import Figures

_DOCS: Final = Path(__file__).parents[2] / "docs"
_PAGE: Final = _DOCS / "phi-guard.md"
_CHART: Final = _DOCS / "phi-guard.svg"
_BEGIN: Final = "<!-- measured: written by `make bench` -->"
_END: Final = "<!-- end of what was measured -->"


def write(figures: Figures) -> None:
    """Raises `ValueError` when the page has lost its markers."""
    page = _PAGE.read_text("utf-8")
    _PAGE.write_text(between_markers(page, "\n".join(body(figures))), "utf-8")
    _CHART.write_text(chart.draw(figures), "utf-8")


def between_markers(page: str, text: str) -> str:
    """`page` with `text` in place of what its markers enclose."""
    before, began, rest = page.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not (began and ended):
        raise ValueError("The page has no place for the figures.")
    return f"{before}{_BEGIN}\n{text}\n{_END}{after}"


def body(figures: Figures) -> list[str]:
    return [
        "![How much each system masks, and how much else](phi-guard.svg)",
        "",
        "Per cent, but for processor time.",
        "",
        *tables.quality(figures),
        "",
        "Labels wholly masked, per cent:",
        "",
        *tables.classes(figures),
        "",
        "Processor time of a message:",
        "",
        *tables.costs(figures),
        "",
        tables.turns(figures.turns),
        "",
        f"Distance to what we want, for {figures.product}:",
        "",
        *tables.distances(figures),
    ]
