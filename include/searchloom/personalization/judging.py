"""A personal model on what people did later: against the one that serves, and against what is popular.

Lists are judged by what each person liked after the cut for the first time (nDCG@10), searches by what was chosen of
them (nDCG@10 of the documents that were shown), and by what the log says that people would have chosen (``offpolicy``).
Differences are paired, with 95 % bootstrap intervals over persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from searchloom.personalization import offpolicy
from searchloom.personalization.difference import Difference
from searchloom.personalization.events import Event, Log
from searchloom.personalization.exposures import named, showings
from searchloom.personalization.groups import cases
from searchloom.personalization.learning import SEARCH
from searchloom.personalization.ranker import Group, interval, learn, ndcg
from searchloom.personalization.replay import person_of
from searchloom.personalization.serve import Personal
from searchloom.personalization.trial import Sizes, drawn

_DEPTH = 10


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


def searches(events: Sequence[Event], since: float, candidate: Personal, rival: Personal) -> dict[str, Difference]:
    """Searches after the cut in which something was chosen: ``searches`` and ``clicks``.

    The first is what each would have put first of what was shown, the second what that would have earned: there both
    orders are as they would be served, and the log's own places are taken out.
    """
    mine, other = (
        {
            name: group
            for name, group in named(events, personal.model, since=since, scene=SEARCH, scales=personal.scales)
            if group.labels.any()
        }
        for personal in (candidate, rival)
    )
    both = sorted(mine.keys() & other.keys())
    gains = (
        [ndcg(personal.searcher.scores(groups[name].lines, groups[name].plain), groups[name].labels) for name in both]
        for personal, groups in ((candidate, mine), (rival, other))
    )
    choices = offpolicy.Choices.of(
        row for name in both for row in _chosen((candidate, mine[name]), (rival, other[name]))
    )
    seen = offpolicy.examined(showings(events, scene=SEARCH, scales=candidate.scales))
    return {
        "searches": _difference([mine[name].person for name in both], *gains),
        "clicks": offpolicy.estimate(choices, seen),
    }


def _chosen(*sides: tuple[Personal, Group]) -> Iterator[tuple[int, int, int, int]]:
    """What was chosen of one list: person, logged place, the place that each side gives it, among what both know."""
    orders = [[personal.model.ids[group.rows[at]] for at in personal.replayed(group)] for personal, group in sides]
    common = set(orders[0]) & set(orders[1])
    model, group = sides[0][0].model, sides[0][1]
    places = group.positions if group.positions is not None else np.arange(len(group.rows))
    items = [model.ids[row] for row in group.rows]
    logged = {item: int(place) for item, place in zip(items, places, strict=True) if item in common}
    slots = sorted(logged.values())
    given = [dict(zip((item for item in order if item in common), slots, strict=True)) for order in orders]
    for item, label in zip(items, group.labels, strict=True):
        if label and item in common:
            yield group.person, logged[item], given[0][item], given[1][item]


def _difference(persons: Sequence[int], mine: Sequence[float], other: Sequence[float]) -> Difference:
    if not persons:
        return Difference(0, 0.0, 0.0, 0.0, 0.0)
    low, high = interval(np.array(mine) - np.array(other), persons)
    return Difference(len(set(persons)), float(np.mean(mine)), float(np.mean(other)), low, high)


def _gain(listed: Sequence[str], liked: set[str]) -> float:
    discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
    hits = np.array([item_id in liked for item_id in listed], np.float64)
    return float((hits * discounts[: len(hits)]).sum() / discounts[: min(_DEPTH, len(liked))].sum())
