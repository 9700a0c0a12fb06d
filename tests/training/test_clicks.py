from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from searchloom.cloud.oss import Oss
from searchloom.training import clicks

KNOWN = {f"d{number}": f"d{number}" for number in range(10)} | {"chunk-of-d1": "d1"}
_numbers = itertools.count()


def event(kind: str, item: str, position: int | None, *, query: str = "lift", user: str = "") -> dict[str, Any]:
    number = next(_numbers)
    return {
        "event_id": f"e{number}", "time": "2026-11-01T00:00:00+00:00", "user_id": user or f"u{number}", "type": kind,
        "item_id": item, "position": position, "query": query,
    }  # fmt: skip


def simulated(relevance: list[float], *, sessions: int, seed: int) -> list[dict[str, Any]]:
    """Users who see position k with probability 1/k, shown the documents in an order that mostly stays the same."""
    lot = np.random.default_rng(seed)
    events = []
    for session in range(sessions):
        order = list(range(len(relevance)))
        if lot.random() < 0.3:
            lot.shuffle(order)
        for position, document in enumerate(order, start=1):
            user = f"s{session}"
            events.append(event("expose", f"d{document}", position, user=user))
            if lot.random() < relevance[document] / position:
                events.append(event("click", f"d{document}", position, user=user))
    return events


def test_what_is_relevant_further_down_outweighs_what_is_merely_on_top():
    events = simulated([0.2, 0.2, 0.2, 0.8], sessions=2000, seed=1)
    weights = {one.item_id: one.weight for one in clicks.judged(events, known=KNOWN, min_clicks=2)}
    plain = [sum(e["type"] == "click" and e["item_id"] == f"d{number}" for e in events) for number in range(4)]
    assert weights["d3"] == 1.0
    assert max(weights["d0"], weights["d1"], weights["d2"]) < 0.5
    assert plain[0] / plain[3] > weights["d0"] + 0.1  # uncorrected, the top document looks better than it is


def test_a_handful_of_clicks_is_enough_and_their_absence_too():
    assert clicks.judged([], known=KNOWN, min_clicks=2) == []
    events = [event("click", "chunk-of-d1", 3), event("click", "d1", 3), event("click", "d2", 1)]
    found = clicks.judged(events, known=KNOWN, min_clicks=2)
    assert [(one.query, one.item_id, one.weight) for one in found] == [("lift", "d1", 1.0)]


def test_one_user_counts_once():
    events = [event("click", "d1", 1, user="robot") for _ in range(50)]
    assert clicks.judged(events, known=KNOWN, min_clicks=2) == []


EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["expose", "click", "buy", "dislike", 7]),
        "item_id": st.sampled_from([*KNOWN, "gone", None]), "query": st.sampled_from(["lift", " LIFT ", "drag", "", 3]),
        "position": st.none() | st.integers(-5, 10**9) | st.just("1"),
        "user_id": st.sampled_from(["a", "b", "c", None]),
        "time": st.none() | st.just("yesterday") | st.floats() | st.integers(0, 10**15),
    },
)  # fmt: skip


@given(st.lists(EVENTS, max_size=60), st.integers(1, 3))
def test_whatever_the_log_holds_weights_are_shares_and_documents_are_known(events: list[dict[str, Any]], least: int):
    for one in clicks.judged(events, known=KNOWN, min_clicks=least):
        assert 0 < one.weight <= 1
        assert one.item_id in KNOWN.values()
        assert one.query.strip()


def test_events_are_read_once_and_what_is_none_is_left_out(oss: Oss):
    first = event("click", "d1", 1)
    lines = [json.dumps(first), "not json", "[]", "", json.dumps({"type": "click"}), json.dumps(first)]
    oss.put("events/dt=2026-11-02/a.jsonl", "\n".join(lines).encode())
    oss.put("events/dt=2026-11-01/a.jsonl", json.dumps(event("click", "d2", 1)).encode())
    oss.put("events/dt=2026-11-02/a.jsonl.tmp", b"{")
    newest = clicks.files(oss, days=1, before=None)
    assert [found["item_id"] for found in clicks.read(oss, newest)] == ["d1"]
    assert len(clicks.files(oss, days=9, before=None)) == 2
