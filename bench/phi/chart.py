"""The chart of `docs/phi-guard.md`: bars for each set, drawn as SVG that reads on a light and on a dark page."""

from collections.abc import Callable, Iterator
from html import escape
from typing import Final

from bench.phi.figures import PRESIDIO, Figures
from bench.phi.scoring import Tally
from bench.phi.tables import percent

_MEASURES: Final[tuple[tuple[str, Callable[[Tally], float | None]], ...]] = (
    ("identifiers wholly masked", lambda tally: tally.cover),
    ("masks that are right", lambda tally: tally.precision),
    ("PHI-free texts left alone", lambda tally: None if tally.over is None else 1 - tally.over),
    ("texts with nothing leaked", lambda tally: tally.unleaked),
)
_WIDTH: Final = 760
_LEFT, _BARS = 210, 470
_BAR, _BETWEEN_BARS, _BETWEEN_MEASURES = 13, 3, 12
_TITLE: Final = 46
_STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .track { fill: #eaeef2; }
  .product { fill: #0e7c66; } .part { fill: #6cbfa8; } .other { fill: #b0793a; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; } .track { fill: #262c36; }
    .product { fill: #35b597; } .part { fill: #1f7a66; } .other { fill: #d29a5b; }
  }
"""


def draw(figures: Figures) -> str:
    systems = _systems(figures)
    lines = [*_legend(figures, systems)]
    top = 36
    for name in figures.texts:
        tallies = [(_shade(figures, system), figures.scores[system][name].whole) for system in systems]
        lines.append(f'  <text class="title" x="16" y="{top + 22}">Set “{escape(name)}”</text>')
        top += _TITLE - 12
        for what, measured in _MEASURES:
            lines += _group(top, what, [(shade, measured(tally)) for shade, tally in tallies])
            top += len(systems) * (_BAR + _BETWEEN_BARS) + _BETWEEN_MEASURES
    return "\n".join((*_opening(top + 8), *lines, "</svg>", ""))


def _systems(figures: Figures) -> list[str]:
    """The product first, Presidio last."""
    return sorted(figures.systems, key=lambda name: (name != figures.product, figures.systems.index(name)))


def _shade(figures: Figures, system: str) -> str:
    return {PRESIDIO: "other", figures.product: "product"}.get(system, "part")


def _opening(height: int) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' role="img" aria-label="How much PHI each system masks, and how much else">'
    )
    yield f"  <style>{_STYLE}  </style>"


def _legend(figures: Figures, systems: list[str]) -> Iterator[str]:
    left = _LEFT
    for system in systems:
        yield f'  <rect class="{_shade(figures, system)}" x="{left}" y="12" width="12" height="12" rx="2"/>'
        name = system if system == PRESIDIO else f"Hasp, {system}"
        yield f'  <text x="{left + 18}" y="23">{escape(name)}</text>'
        left += 40 + 8 * len(name)


def _group(top: int, what: str, values: list[tuple[str, float | None]]) -> Iterator[str]:
    middle = top + len(values) * (_BAR + _BETWEEN_BARS) / 2
    yield f'  <text x="{_LEFT - 12}" y="{middle + 3:.0f}" text-anchor="end">{escape(what)}</text>'
    for row, (shade, value) in enumerate(values):
        y = top + row * (_BAR + _BETWEEN_BARS)
        for part, width in (("track", 1.0), (shade, value or 0)):
            yield f'  <rect class="{part}" x="{_LEFT}" y="{y}" width="{_BARS * width:.1f}" height="{_BAR}" rx="2"/>'
        yield f'  <text class="small" x="{_LEFT + _BARS + 8}" y="{y + _BAR - 2}">{percent(value)} %</text>'
