"""A personal model on what people did later: against the one that serves, and against what is popular.

Lists are judged by what each person liked after the cut for the first time (nDCG@10), searches by what was chosen of
them (nDCG@10 of the documents that were shown). Differences are paired, with 95 % bootstrap intervals over persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from searchloom.personalization.events import Event, Log
from searchloom.personalization.exposures import named
from searchloom.personalization.groups import cases
from searchloom.personalization.learning import SEARCH
from searchloom.personalization.ranker import interval, learn, ndcg
from searchloom.personalization.replay import person_of
from searchloom.personalization.serve import Personal
from searchloom.personalization.trial import Sizes, drawn

Verdict = Literal["better", "worse", "not enough evidence"]

LEAST_PERSONS = 20
TOLERANCE = 0.01
"""Of the rival's value: who loses less than this has learned from newer events at no price."""
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean nDCG@10 of the candidate and of its rival, and the interval of the difference, over so many persons."""

    persons: int
    candidate: float
    rival: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What may be said of it."""
        if self.persons < LEAST_PERSONS:
            return "not enough evidence"
        if self.low > 0:
            return "better"
        return "worse" if self.high < -TOLERANCE * self.rival else "not enough evidence"

    def figures(self, name: str) -> dict[str, float]:
        """As they stand on a card."""
        values = {"candidate": self.candidate, "rival": self.rival, "low": self.low, "high": self.high}
        return {f"{name}.persons": float(self.persons)} | {f"{name}.{what}": round(n, 5) for what, n in values.items()}


def popularity(candidate: Personal) -> Personal:
    """The order of a candidate's popularity, that needs no person."""
    nobody = learn([])
    return Personal(candidate.model, nobody, nobody, "popularity")


def lists(before: Log, after: Log, candidate: Personal, rival: Personal, sizes: Sizes) -> Difference:
    """Lists for the persons who liked something new after the cut; both know what was before it."""
    mine: list[float] = []
    other: list[float] = []
    persons: list[int] = []
    for case in cases(before, after, candidate.model, drawn(np.unique(after.user), sizes.judged_persons, sizes.seed)):
        liked = {before.items[row] for row in case.liked.tolist()}
        persons.append(case.user)
        for personal, gains in ((candidate, mine), (rival, other)):
            known = case.person if personal.model is candidate.model else person_of(before, personal.model, case.user)
            placed = personal.recommend(known, _DEPTH, case.now, variety=0.0)
            gains.append(_gain([one.item_id for one in placed], liked))
    return _difference(persons, mine, other)


def searches(events: Sequence[Event], since: float, candidate: Personal, rival: Personal) -> Difference:
    """Searches after the cut in which something was chosen: what each would have put first of what was shown."""
    judged = []
    for personal in (candidate, rival):
        found = named(events, personal.model, since=since, scene=SEARCH, scales=personal.scales)
        judged.append(
            {
                name: (group.person, ndcg(personal.searcher.scores(group.lines, group.plain), group.labels))
                for name, group in found
                if group.labels.any()
            }
        )
    both = sorted(judged[0].keys() & judged[1].keys())
    return _difference([judged[0][name][0] for name in both], *([one[name][1] for name in both] for one in judged))


def _difference(persons: Sequence[int], mine: Sequence[float], other: Sequence[float]) -> Difference:
    if not persons:
        return Difference(0, 0.0, 0.0, 0.0, 0.0)
    low, high = interval(np.array(mine) - np.array(other), persons)
    return Difference(len(set(persons)), float(np.mean(mine)), float(np.mean(other)), low, high)


def _gain(listed: Sequence[str], liked: set[str]) -> float:
    discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
    hits = np.array([item_id in liked for item_id in listed], np.float64)
    return float((hits * discounts[: len(hits)]).sum() / discounts[: min(_DEPTH, len(liked))].sum())
