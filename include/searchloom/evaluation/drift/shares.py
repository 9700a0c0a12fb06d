"""How far a share moved between two windows, and a probability from a half, with intervals over people.

One person's searches are alike, and the same person may be in both windows; so the error is made of what each person
adds to the difference (the delta method over clusters: Deng, Knoblich and Lu, KDD 2018), not of single searches. One
hit and one miss more on each side (Agresti and Caffo, The American Statistician 54, 2000) keep it honest near 0 and 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

from searchloom.evaluation.drift.report import Line

ALPHA = 0.05
"""Of a whole figure: with k lines each has an interval of 1 - ALPHA / k."""

_ADDED = 2  # rows: a hit and a miss of nobody's

Tries = Mapping[str, tuple[float, float]]
"""Person -> hits, tries."""


def tally(tries: Iterable[tuple[str, bool]]) -> Tries:
    """Count the hits and the tries of each person."""
    found: dict[str, tuple[float, float]] = {}
    for person, hit in tries:
        hits, count = found.get(person, (0.0, 0.0))
        found[person] = hits + hit, count + 1
    return found


def people(*windows: Tries) -> int:
    """How many people the smaller window has."""
    return min(len(window) for window in windows)


def moved(name: str, reference: Tries, recent: Tries, *, threshold: float, lines: int = 1) -> Line:
    """The line of a share; both windows need people."""
    persons = sorted(reference.keys() | recent.keys())
    sides = [_side(window, persons) for window in (reference, recent)]
    before, after = (float(side[:-_ADDED, 0].sum() / side[:-_ADDED, 1].sum()) for side in sides)
    old, new = map(_adds, sides)
    adds = np.concatenate([new[:-_ADDED] - old[:-_ADDED], new[-_ADDED:], old[-_ADDED:]])
    centre = float(sides[1][:, 0].sum() / sides[1][:, 1].sum() - sides[0][:, 0].sum() / sides[0][:, 1].sum())
    reach = _reach(adds, people(reference, recent), lines)
    difference = after - before
    low, high = min(centre - reach, difference), max(centre + reach, difference)
    return Line(
        name=name, reference=before, recent=after, difference=difference, low=max(low, -1.0), high=min(high, 1.0),
        threshold=threshold,
    )  # fmt: skip


def apart(
    name: str, scores: NDArray[np.float64], recent: NDArray[np.bool_], persons: NDArray[np.int64], *, threshold: float
) -> Line:
    """How often the higher one of two scores is the recent one (the AUC), against a half.

    Its error by what each person adds to it (Obuchowski, Biometrics 53, 1997).
    """
    ranks = rankdata(scores)
    count, before = int(recent.sum()), int((~recent).sum())
    above = (ranks[recent] - rankdata(scores[recent])) / before
    below = 1 - (ranks[~recent] - rankdata(scores[~recent])) / count
    area = float(above.mean())
    adds = np.zeros(int(persons.max()) + 1)
    np.add.at(adds, persons[recent], (above - area) / count)
    np.add.at(adds, persons[~recent], (below - area) / before)
    fewest = min(len(np.unique(persons[recent])), len(np.unique(persons[~recent])))
    reach = _reach(adds, fewest, 1)
    return Line(
        name=name, reference=0.5, recent=area, difference=area - 0.5, low=max(area - reach, 0.0) - 0.5,
        high=min(area + reach, 1.0) - 0.5, threshold=threshold,
    )  # fmt: skip


def _side(window: Tries, persons: list[str]) -> NDArray[np.float64]:
    """Hits and tries, a row a person, with a hit and a miss of nobody's at the end."""
    return np.array([*(window.get(person, (0.0, 0.0)) for person in persons), (1.0, 1.0), (0.0, 1.0)])


def _adds(side: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each row adds to the error of its window's share."""
    hits, tries = side.T
    return np.asarray((hits - hits.sum() / tries.sum() * tries) / tries.sum())


def _reach(adds: NDArray[np.float64], fewest: int, lines: int) -> float:
    """Half the width of the interval of a sum to which each person adds independently."""
    error = np.sqrt((adds**2).sum() * fewest / max(fewest - 1, 1))
    return float(t.ppf(1 - ALPHA / lines / 2, max(fewest - 1, 1)) * error)
