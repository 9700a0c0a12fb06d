"""Small drawings inside the page: an interval around a gain, on one scale for a whole table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from searchloom.evaluation.gate import Figure

_WIDTH, _HEIGHT = 160, 16
_MIN_SPAN = 0.02
_MAX_SPAN = 0.5


def span(figures: Sequence[Figure]) -> float:
    """Half the width of the scale, in nDCG@10: the widest interval of the table, within sensible bounds."""
    widest = max((abs(edge) for one in figures for edge in (one.low, one.high)), default=0.0)
    return min(max(widest, _MIN_SPAN), _MAX_SPAN)


def interval(figure: Figure, half: float) -> Markup:
    """A bar from ``low`` to ``high`` with a dot at the gain and a line at 0; SVG with a text for screen readers."""
    low, gain, high = (_place(value, half) for value in (figure.low, figure.gain, figure.high))
    side = "gain" if figure.low > 0 else "loss" if figure.high < 0 else "open"
    said = f"{figure.gain:+.4f}, 95 % interval {figure.low:+.4f} to {figure.high:+.4f}"
    middle = _HEIGHT / 2
    return Markup(  # noqa: S704  numbers only
        f'<svg class="interval {side}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{said}">'
        f'<line class="zero" x1="{_WIDTH / 2}" x2="{_WIDTH / 2}" y1="0" y2="{_HEIGHT}"/>'
        f'<line class="bar" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<circle cx="{gain:.1f}" cy="{middle}" r="3.5"/></svg>'
    )


def _place(value: float, half: float) -> float:
    bounded = min(max(value, -half), half)
    return (bounded / half + 1) / 2 * (_WIDTH - 8) + 4
