"""From a log to what serves: the model, the ranker of lists from what people did last, and that of searches.

The ranker of searches learns from lists that searches showed, with their places (LightGBM takes the bias of places
out) and the scores of that moment. It is blended with the order that would stand without a person, and weighs nothing
where cross-fitting over persons does not show that it is better: then searches stay in everybody's order.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from searchloom.personalization.catalog import Catalog
from searchloom.personalization.events import EXPOSE, Event, Log, Scales, log_of, scales_of
from searchloom.personalization.exposures import shown
from searchloom.personalization.fit import fit
from searchloom.personalization.groups import Queries
from searchloom.personalization.ranker import Group, learn
from searchloom.personalization.serve import Personal
from searchloom.personalization.trial import Sizes, learned

log = logging.getLogger(__name__)

SEARCH = "search"
"""The scene of lists that searches showed."""
LEAST_LISTS = 30
"""Searches with something chosen, below which nothing is learned of searches."""

_EARLY = 0.4  # of the searches' time: what the model of their features is fitted on
_NO_QUERIES = Queries({}, {}, {})


@dataclass(frozen=True, slots=True)
class Learned:
    """What serves, and how many searches it was taught by."""

    personal: Personal
    lists: int


def columns(events: Sequence[Event], catalog: Catalog) -> tuple[Log, Scales]:
    """The events as columns, and the scales that their values make."""
    did = [event for event in events if event.type not in EXPOSE]
    values = np.array([np.nan if event.value is None else event.value for event in did], np.float64)
    scales = scales_of([event.type for event in did], values)
    return log_of(did, [item.item_id for item in catalog.items], scales), scales


def learn_all(events: Sequence[Event], catalog: Catalog, *, sizes: Sizes, scales: Scales | None = None) -> Learned:
    """Learn everything from events; ``scales`` are those of a longer log that these are a part of."""
    everything, own = columns(events, catalog)
    nothing = everything.only(np.zeros(len(everything), np.bool_))
    exposures = [event for event in events if event.type in EXPOSE]
    found = learned(everything, nothing, catalog, _NO_QUERIES, sizes=sizes, exposures=exposures)
    groups = _searches(events, catalog, scales or own, sizes)
    searcher = learn(groups)
    return Learned(Personal(found.model, searcher, found.ranker, found.plain, scales or own), len(groups))


def _searches(events: Sequence[Event], catalog: Catalog, scales: Scales, sizes: Sizes) -> list[Group]:
    """The groups of the later searches in which something was chosen, with features of a model of the earlier time."""
    moments = [event.time for event in events if event.type in EXPOSE and event.scene == SEARCH]
    if not moments:
        log.info("no search was logged: searches stay in everybody's order")
        return []
    cut = float(np.quantile(moments, _EARLY))
    early, _ = columns([event for event in events if event.time < cut], catalog)
    model = fit(early, catalog, limits=sizes.limits)
    found = [group for group in shown(events, model, since=cut, scene=SEARCH, scales=scales) if group.labels.any()]
    if len(found) < LEAST_LISTS:
        log.info(
            "%d searches in which something was chosen are too few: searches stay in everybody's order", len(found)
        )
        return []
    return found
