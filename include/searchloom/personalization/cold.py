"""What those get of whom, and what becomes of that of which, nothing or next to nothing is known.

Cold persons are real ones reduced to their first event (or to none); cold items are real ones whose events are kept
from everybody. Both are judged by what the persons liked later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from searchloom.personalization.catalog import Catalog
from searchloom.personalization.fit import fit
from searchloom.personalization.groups import cases
from searchloom.personalization.model import Model
from searchloom.personalization.person import Person
from searchloom.personalization.replay import person_of
from searchloom.personalization.serve import Personal, Placed
from searchloom.personalization.sparse import Ints
from searchloom.personalization.trial import Learned, Sizes, drawn

_LIST = 10
_COLD_SHARE = 0.05  # of the items
_PERSONS = 300


def cold_persons(found: Learned, sizes: Sizes) -> dict[str, Any]:
    """Lists of a stranger and of persons known by one event: how far they differ, how varied and how good they are."""
    personal = Personal(found.model, found.searcher, found.ranker, found.plain)
    now = float(found.before.time.max(initial=0.0)) + 1.0
    stranger = personal.recommend(Person(), _LIST, now)
    known = {placed.item_id for placed in stranger}
    lists, gains, plain = [], [], []
    for case in cases(found.before, found.after, found.model, _some(found, sizes)):
        item_id = found.before.items[int(found.before.item[np.searchsorted(found.before.user, case.user)])]
        person = Person()
        person.remember(item_id, now, 1.0, *found.model.about(item_id))
        lists.append(personal.recommend(person, _LIST, now))
        liked = {found.before.items[row] for row in case.liked.tolist()}
        gains.append(_gain([placed.item_id for placed in lists[-1]], liked))
        plain.append(_gain([placed.item_id for placed in stranger], liked))
    return {
        "persons": len(lists),
        "stranger_variety": _variety(found.model, stranger),
        "one_event_variety": _mean([_variety(found.model, each) for each in lists]),
        "shared_with_stranger": _mean([len(known & {p.item_id for p in each}) / _LIST for each in lists]),
        "different_items_in_all_lists": len({placed.item_id for each in lists for placed in each}),
        "ndcg@10": {"stranger's list": _mean(plain), "after one event": _mean(gains)},
    }


def cold_items(found: Learned, catalog: Catalog, sizes: Sizes) -> dict[str, Any]:
    """Items that nobody has dealt with yet: how often they are tried, and whether on the right persons."""
    generator = np.random.default_rng(sizes.seed)
    size = len(found.model)
    cold = generator.choice(size, max(1, int(size * _COLD_SHARE)), replace=False)
    is_cold = np.zeros(size, np.bool_)
    is_cold[cold] = True
    before = found.before.only(~is_cold[found.before.item])
    model = fit(before, catalog, limits=sizes.limits)
    personal = Personal(model, found.searcher, found.ranker, found.plain)
    now = float(found.before.time.max(initial=0.0)) + 1.0
    tried, right, chance, shown = 0, [], [], set()
    users = _some(found, sizes)
    for user in users.tolist():
        low, high = np.searchsorted(found.before.user, [user, user + 1])
        own = found.before.item[low:high][found.before.liked[low:high]]
        placed = personal.recommend(person_of(before, model, user), _LIST, now)
        new = [model.places[each.item_id] for each in placed if is_cold[model.places[each.item_id]]]
        tried += bool(new)
        shown.update(new)
        if new:
            right.append(float(np.isin(new, own).mean()))
            chance.append(float(np.isin(cold, own).mean()))
    return {
        "cold_items": len(cold),
        "persons": len(users),
        "lists_with_a_cold_item": round(tried / max(len(users), 1), 4),
        "cold_items_tried": len(shown),
        # What these persons really did like among the hidden items says whether the trial was a good one.
        "liked_among_tried": _mean(right),
        "liked_by_chance": _mean(chance),
    }


def _some(found: Learned, sizes: Sizes) -> Ints:
    return drawn(np.unique(found.after.user), _PERSONS, sizes.seed)


def _variety(model: Model, placed: Sequence[Placed]) -> float:
    """One minus the mean likeness of two items of a list."""
    vectors = model.vectors[model.rows_of([each.item_id for each in placed])]
    if len(vectors) < 2:
        return 0.0
    alike = vectors @ vectors.T
    count = len(vectors)
    return round(1.0 - float(alike.sum() - np.trace(alike)) / (count * (count - 1)), 4)


def _gain(listed: Sequence[str], liked: set[str]) -> float:
    """The nDCG of a list; what is liked and not listed belongs to the ideal list as well."""
    discounts = 1 / np.log2(np.arange(2, _LIST + 2))
    hits = np.array([item_id in liked for item_id in listed[:_LIST]])
    return float((hits * discounts[: len(hits)]).sum() / discounts[: min(_LIST, len(liked))].sum())


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0
