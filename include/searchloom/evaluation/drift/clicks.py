"""How often what was shown is chosen, place by place."""

from __future__ import annotations

from searchloom.evaluation.drift.report import Figure
from searchloom.evaluation.drift.shares import moved, people, tally
from searchloom.evaluation.drift.windows import Behaviour
from searchloom.settings import Drift

NAME = "chosen of what was shown"
_PLACES = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10))
_LEAST = 0.02  # a smaller change of a place that is hardly ever chosen matters to nobody


def chosen(behaviour: Behaviour, settings: Drift) -> Figure:
    """The click-through rate of each place; a change counts from a share of what it was before."""
    lines = []
    for first, last in _PLACES:
        mine = [one for one in behaviour.shown if first <= one.place <= last]
        before = tally((one.person, one.chosen) for one in mine if one.day < behaviour.days.middle)
        after = tally((one.person, one.chosen) for one in mine if one.day >= behaviour.days.middle)
        if people(before, after) < settings.min_people:
            continue
        rate = sum(hits for hits, _ in before.values()) / sum(tries for _, tries in before.values())
        name = f"place {first}" if first == last else f"places {first} to {last}"
        threshold = max(settings.chosen * rate, _LEAST)
        lines.append(moved(name, before, after, threshold=threshold, lines=len(_PLACES)))
    if not lines:
        return Figure.unknown(NAME, f"no place was shown to {settings.min_people} people on both sides")
    return Figure.of(NAME, lines)
