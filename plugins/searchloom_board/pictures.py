"""Small drawings inside the page: an interval around a gain or a shift, and how far something moved day by day."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from searchloom.evaluation.drift.report import Line, Report
from searchloom.evaluation.gate import Figure

_WIDTH, _HEIGHT = 160, 16
_MIN_SPAN = 0.02
_MAX_SPAN = 0.5
_THRESHOLDS = 2  # the scale of a shift ends at so many of its threshold
_SIDES = {"drifted": "loss", "steady": "gain", "too little to say": "open"}


def span(figures: Sequence[Figure]) -> float:
    """Half the width of the scale, in nDCG@10: the widest interval of the table, within sensible bounds."""
    widest = max((abs(edge) for one in figures for edge in (one.low, one.high)), default=0.0)
    return min(max(widest, _MIN_SPAN), _MAX_SPAN)


def interval(figure: Figure, half: float) -> Markup:
    """A bar from ``low`` to ``high`` with a dot at the gain and a line at 0; SVG with a text for screen readers."""
    side = "gain" if figure.low > 0 else "loss" if figure.high < 0 else "open"
    said = f"{figure.gain:+.4f}, 95 % interval {figure.low:+.4f} to {figure.high:+.4f}"
    return _bar(side, said, (figure.low, figure.gain, figure.high), half, marks=(0.0,))


def shift(line: Line) -> Markup:
    """The same for a share that moved, with lines at its threshold in both directions."""
    moved, low, high, limit = (100 * value for value in (line.difference, line.low, line.high, line.threshold))
    said = f"{moved:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}, threshold {limit:.1f}"
    return _bar(_SIDES[line.verdict], said, (low, moved, high), _THRESHOLDS * limit, marks=(-limit, limit))


def trend(reports: Sequence[Report], name: str) -> Markup:
    """How far a figure moved each day, in thresholds, the newest day to the right; a line at 1."""
    found = [next((one.moved for one in report.figures if one.name == name), 0.0) for report in reversed(reports)]
    across, up = (_WIDTH - 8) / max(len(found) - 1, 1), (_HEIGHT - 2) / _THRESHOLDS
    places = [(4 + across * at, _HEIGHT - 1 - up * min(moved, _THRESHOLDS)) for at, moved in enumerate(found)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    said = f"{len(found)} days, at most {max(found):.1f} thresholds, {found[-1]:.1f} on the last"
    return Markup(  # noqa: S704  numbers only
        f'<svg class="interval trend" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}">'
        f'<line class="zero" x1="0" x2="{_WIDTH}" y1="{_HEIGHT / 2}" y2="{_HEIGHT / 2}"/>'
        f'<polyline points="{points}"/><circle cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="2.5"/></svg>'
    )


def _bar(side: str, said: str, values: tuple[float, float, float], half: float, marks: Sequence[float]) -> Markup:
    low, middle, high = (_place(value, half) for value in values)
    lines = (
        f'<line class="zero" x1="{_place(mark, half):.1f}" x2="{_place(mark, half):.1f}" y1="0" y2="{_HEIGHT}"/>'
        for mark in marks
    )
    level = _HEIGHT / 2
    return Markup(  # noqa: S704  numbers only
        f'<svg class="interval {side}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}">{"".join(lines)}'
        f'<line class="bar" x1="{low:.1f}" x2="{high:.1f}" y1="{level}" y2="{level}"/>'
        f'<circle cx="{middle:.1f}" cy="{level}" r="3.5"/></svg>'
    )


def _place(value: float, half: float) -> float:
    bounded = min(max(value, -half), half)
    return (bounded / half + 1) / 2 * (_WIDTH - 8) + 4
