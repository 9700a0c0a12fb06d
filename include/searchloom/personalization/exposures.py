"""Groups from the log of what was shown: the lists that people saw, where each item stood, what they did with it.

The log is replayed in the order of time. A list's features are made of the person as he was when the list was shown,
and its labels of what he did with its items afterwards. The places go along: LightGBM takes their bias out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from searchloom.personalization.events import EXPOSE, Event, Scales, interests
from searchloom.personalization.features import MATCHES, Context, features
from searchloom.personalization.model import Model, Recall
from searchloom.personalization.person import Person
from searchloom.personalization.ranker import Group

_MOST_POSITION = 50
_LEAST_SHOWN = 3
_AFTER_S = 3600.0  # without a trace_id, what is done within an hour belongs to the list
_BEST = 3  # the highest label

_Name = tuple[str, str]


def shown(
    events: Sequence[Event], model: Model, *, since: float = 0.0, scene: str = "", scales: Scales | None = None
) -> Iterator[Group]:
    """A group for each list (``trace_id``, or what was shown to a person at one moment) of known items.

    ``model`` has to be fitted on what was before ``since``; earlier lists make no group. ``scene``: these lists alone.
    """
    return (group for _, group in named(events, model, since=since, scene=scene, scales=scales))


def named(
    events: Sequence[Event], model: Model, *, since: float = 0.0, scene: str = "", scales: Scales | None = None
) -> Iterator[tuple[tuple[str, str], Group]]:
    """The same, each with the name of its list."""
    ordered = _with_interest(events, scales)
    lists, done = _gathered(ordered, since, scene)
    persons: dict[str, Person] = defaultdict(Person)
    numbers: dict[str, int] = {}
    for event, interest in ordered:
        if event.type not in EXPOSE:
            persons[event.user_id].remember(event.item_id, event.time, interest, *model.about(event.item_id))
        elif listed := lists.pop(name := _list_of(event), ()):
            known = {each.item_id: each for each in listed if each.item_id in model.places}
            if len(known) >= _LEAST_SHOWN:
                labels = [_label(each, done[each.user_id, each.item_id]) for each in known.values()]
                number = numbers.setdefault(event.user_id, len(numbers))
                yield name, _group(list(known.values()), labels, persons[event.user_id], model, number)


def showings(events: Sequence[Event], *, scene: str, scales: Scales | None = None) -> Iterator[tuple[Event, bool]]:
    """Each showing of an item in the lists of a scene, and whether it was chosen there."""
    lists, done = _gathered(_with_interest(events, scales), 0.0, scene)
    for listed in lists.values():
        for each in listed:
            yield each, _label(each, done[each.user_id, each.item_id]) > 0


def _with_interest(events: Sequence[Event], scales: Scales | None) -> list[tuple[Event, float]]:
    """The events in the order of time, each with what it says."""
    ordered = sorted(events, key=lambda each: each.time)
    values = np.array([np.nan if each.value is None else each.value for each in ordered], np.float64)
    says = interests([each.type for each in ordered], values, scales)
    return list(zip(ordered, says.tolist(), strict=True))


def _gathered(
    ordered: Sequence[tuple[Event, float]], since: float, scene: str
) -> tuple[dict[_Name, list[Event]], dict[_Name, list[tuple[Event, float]]]]:
    """What each list showed, and what each person did with each item (both are pairs of names)."""
    lists: dict[_Name, list[Event]] = defaultdict(list)
    done: dict[_Name, list[tuple[Event, float]]] = defaultdict(list)
    for event, interest in ordered:
        if event.type not in EXPOSE:
            done[event.user_id, event.item_id].append((event, interest))
        elif event.time >= since and scene in {"", event.scene}:
            lists[_list_of(event)].append(event)
    return lists, done


def _group(listed: Sequence[Event], labels: Sequence[int], person: Person, model: Model, number: int) -> Group:
    rows = model.rows_of([each.item_id for each in listed])
    matches = {name: np.array([each.scores.get(name, np.nan) for each in listed], np.float64) for name in MATCHES}
    lines = features(Recall.of(model, person), person, rows, Context(listed[0].time, matches))
    places = [min(max(each.position or at, 1), _MOST_POSITION) - 1 for at, each in enumerate(listed, start=1)]
    # Without a person they would have stood by their relevance; of a list that does not tell it, as they stood.
    told = all("relevance" in each.scores for each in listed)
    plain = np.array(
        [each.scores["relevance"] for each in listed] if told else [-place for place in places], np.float64
    )
    return Group(number, rows, lines, np.array(labels, np.int32), plain, np.array(places, np.int64), person.events)


def _label(seen: Event, done: Sequence[tuple[Event, float]]) -> int:
    """The strongest yes that came of showing it, as a grade."""
    after = [
        interest
        for event, interest in done
        if event.time >= seen.time
        and (event.trace_id == seen.trace_id if event.trace_id else event.time <= seen.time + _AFTER_S)
    ]
    return min(round(max(after, default=0.0) + 0.25), _BEST) if after and max(after) > 0 else 0


def _list_of(event: Event) -> tuple[str, str]:
    return event.user_id, event.trace_id or f"{event.query}@{event.time:.0f}"
