"""From scores to a list: nothing irrelevant on top, not ten times the same, and a place for what is new.

Guards, in this order: the relevance floor keeps what hardly answers the query out of the first places however much a
person would like it; maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) spreads the first places; every
tenth place tries an item that was hardly shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from searchloom.personalization.ranker import standard
from searchloom.personalization.sparse import Floats, Ints

FLOOR = 0.5
"""Below this share of the best candidate's relevance a candidate is kept out of the first places."""

PROTECTED = 3
EXPLORED_EVERY = 10


def floored(order: Ints, relevance: Floats, *, floor: float = FLOOR, protected: int = PROTECTED) -> Ints:
    """The order with only relevant candidates in the ``protected`` first places, as far as there are any.

    ``relevance`` counts from the worst candidate's to the best one's, which are 0 and 1; the relevant ones keep their
    order among themselves, and so do the others.
    """
    if len(order) <= protected:
        return order
    low, high = float(relevance.min()), float(relevance.max())
    if high <= low:
        return order
    share = (relevance - low) / (high - low)
    sound = [int(place) for place in order if share[place] >= floor][:protected]
    return np.array(sound + [int(place) for place in order if place not in set(sound)], np.int64)


def spread(order: Ints, scores: Floats, vectors: NDArray[np.float32], *, variety: float, depth: int = 10) -> Ints:
    """The first ``depth`` places chosen one by one: score minus ``variety`` times the likeness to those before.

    ``vectors`` are of unit length; a candidate without one is like nothing. ``variety`` 0 changes nothing.
    """
    if not variety or len(order) < 2:
        return order
    pool = order[: 4 * depth].tolist()
    value = standard(scores)
    alike = np.zeros(len(scores))
    chosen: list[int] = []
    while pool and len(chosen) < depth:
        best = max(pool, key=lambda place: float((1 - variety) * value[place] - variety * alike[place]))
        pool.remove(best)
        chosen.append(best)
        alike = np.maximum(alike, vectors @ vectors[best])
    taken = set(chosen)
    return np.array(chosen + [int(place) for place in order if place not in taken], np.int64)


def explored(order: Ints, fresh: Sequence[int], *, every: int = EXPLORED_EVERY) -> Ints:
    """Every ``every``-th place to the next of ``fresh`` that would not have come by then."""
    listed = order.tolist()
    for number, place in enumerate(fresh, start=1):
        at = number * every - 1
        if at > len(listed):
            break
        if place in listed[: at + 1]:
            continue
        if place in listed:
            listed.remove(place)
        listed.insert(at, place)
    return np.array(listed, np.int64)
