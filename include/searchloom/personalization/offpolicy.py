"""What another order would have earned, from what people chose of the one that they saw: before anybody sees it.

Under the position-based model a document that was chosen at a place where one in five looks stands for five that would
have been. The value of an order is the share of all that would be chosen which stands where people look: the sum of
P(seen at its place) / P(seen at the logged place) over what was chosen, divided by the sum of 1 / P(seen at the logged
place). Dividing by the weights' own sum keeps a few heavy ones from deciding (self-normalised inverse propensity
scores: Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning", NIPS 2015; for clicks on
rankings: Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017).

Only what was shown can be put in another order here: of what the page did not hold, the log says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from searchloom.personalization.difference import Difference
from searchloom.personalization.events import Event
from searchloom.personalization.examination import propensities
from searchloom.personalization.ranker import ratio_interval
from searchloom.personalization.sparse import Floats, Ints

LEAST_EFFECTIVE = 30
"""People; of fewer, with equal weights, no estimate is made."""

_MOST_POSITION = 50  # further down positions are taken together


@dataclass(frozen=True, slots=True)
class Choices:
    """What was chosen, one entry each: by whom, at which place, and where two other orders have it; from 0."""

    person: Ints
    logged: Ints
    candidate: Ints
    rival: Ints

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int, int]]) -> Choices:
        """From rows of (person, logged place, candidate's, rival's)."""
        table = np.array([*rows], np.int64).reshape(-1, 4)
        table[:, 1:] = table[:, 1:].clip(0, _MOST_POSITION - 1)
        return cls(*table.T)


@dataclass(frozen=True, slots=True)
class Estimate(Difference):
    """Shares of what would be chosen that are looked at. ``effective``: people, as many as the weights are worth.

    ``logged`` is the value of the order that people saw.
    """

    logged: float = 0.0
    effective: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether the estimate rests on enough people."""
        return self.effective >= LEAST_EFFECTIVE

    def figures(self, name: str) -> dict[str, float]:
        """As they stand on a card."""
        more = {f"{name}.logged": round(self.logged, 5), f"{name}.effective": round(self.effective, 1)}
        return Difference.figures(self, name) | more

    def told(self, name: str) -> str:
        """In words; also where there is no estimate."""
        sample = f"effective sample {self.effective:.0f} people"
        if not self.enough:
            return f"no estimate of {name} from the log ({sample}, {LEAST_EFFECTIVE} are needed)"
        interval = f"{self.low:+.3f} to {self.high:+.3f}"
        return f"{name} by the log (SNIPS) {self.candidate:.3f} against {self.rival:.3f} ({interval}, {sample})"


def examined(showings: Iterable[tuple[Event, bool]]) -> Floats:
    """P(seen) of the places 0, 1, ... from what was shown where, and whether it was chosen; ``[_MOST_POSITION]``."""
    pairs: dict[tuple[str, str], int] = {}
    rows: dict[tuple[int, int], list[int]] = {}
    for event, chosen in showings:
        if event.position is None:
            continue
        pair = pairs.setdefault((event.query, event.item_id), len(pairs))
        counts = rows.setdefault((pair, min(max(event.position, 1), _MOST_POSITION) - 1), [0, 0])
        counts[0] += 1
        counts[1] += chosen
    places = np.array([*rows, (0, 0)], np.int64)[: len(rows)]
    counted = np.array([*rows.values(), [0, 0]], np.float64)[: len(rows)]
    seen = propensities(places[:, 0], places[:, 1], counted[:, 0], counted[:, 1])
    return np.concatenate([seen, np.full(_MOST_POSITION - len(seen), seen[-1])])


def estimate(choices: Choices, seen: Floats) -> Estimate:
    """Hold two orders against each other on what was chosen; the interval is a bootstrap over persons."""
    if not len(choices.person):
        return Estimate(0, 0.0, 0.0, 0.0, 0.0)
    person = np.unique(choices.person, return_inverse=True)[1]
    weight = 1 / seen[choices.logged]
    sums = np.stack(
        [np.bincount(person, weight * seen[place]) for place in (choices.candidate, choices.rival, choices.logged)]
        + [np.bincount(person, weight)]
    )  # [candidate, rival, logged, weight; persons]
    candidate, rival, logged = sums[:3].sum(axis=1) / sums[3].sum()
    low, high = ratio_interval(sums[0] - sums[1], sums[3])
    effective = sums[3].sum() ** 2 / (sums[3] ** 2).sum()
    return Estimate(
        sums.shape[1], float(candidate), float(rival), low, high, logged=float(logged), effective=float(effective)
    )
