"""From a log to what was known at a moment: splits by time, and persons as they were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from searchloom.personalization.events import Log
from searchloom.personalization.model import Model
from searchloom.personalization.person import Person


def own_time(events: Log, share: float) -> NDArray[np.bool_]:
    """Mark the first ``share`` of each person's events; each person's own time is cut. One event stays before."""
    counts = np.bincount(events.user, minlength=len(events.users))
    before = np.cumsum(counts) - counts
    place = np.arange(len(events)) - before[events.user]
    return np.asarray(place < np.maximum(np.floor(counts * share), 1)[events.user])


def one_time(events: Log, share: float) -> NDArray[np.bool_]:
    """Mark the events before the moment at which ``share`` of all had happened: one cut for everybody."""
    if not len(events):
        return np.zeros(0, np.bool_)
    return np.asarray(events.time <= np.quantile(events.time, share))


def person_of(events: Log, model: Model, user: int) -> Person:
    """The person that these events made, in their order; categories and vectors are the model's."""
    low, high = np.searchsorted(events.user, [user, user + 1])
    person = Person()
    for item, time, interest in zip(
        events.item[low:high].tolist(),
        events.time[low:high].tolist(),
        events.interest[low:high].tolist(),
        strict=True,
    ):
        item_id = events.items[item]
        person.remember(item_id, time, interest, *model.about(item_id))
    return person
