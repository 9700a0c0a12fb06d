"""Events of any place become interests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from searchloom.errors import Terminal
from searchloom.personalization.catalog import item_of
from searchloom.personalization.events import LIKED, Event, event_of, interests, log_of, read_jsonl, seconds


@pytest.mark.parametrize(
    ("values", "liked"),
    [
        ([1, 2, 3, 4, 5], [0, 0, 0, 1, 1]),
        ([0.5, 2, 3.5, 4, 5], [0, 0, 0, 1, 1]),
        ([1, 5, 7, 8, 10], [0, 0, 0, 1, 1]),
        ([0, 1, 1, 0, 1], [0, 1, 1, 0, 1]),
        ([1, 1, 1, 1, 1], [1, 1, 1, 1, 1]),
    ],
)
def test_the_upper_quarter_of_any_scale_is_a_like(values: list[float], liked: list[int]) -> None:
    found = interests(["rating"] * len(values), np.array(values, float))
    assert (found >= LIKED).tolist() == [bool(each) for each in liked]


def test_long_dwelling_is_a_like_and_one_huge_value_drowns_nobody() -> None:
    found = interests(["dwell"] * 100, np.array([*np.arange(1.0, 100.0), 1e9]))
    assert (found >= LIKED).sum() == 51
    assert found.max() < 2


def test_types_without_values_count_by_their_name_and_unknown_ones_as_a_yes() -> None:
    found = interests(["buy", "dislike", "wink"], np.full(3, np.nan))
    assert found[0] > found[2] >= LIKED > 0 > found[1]


def test_times_may_be_seconds_milliseconds_digits_or_iso() -> None:
    assert seconds(1_700_000_000) == seconds(1_700_000_000_000) == seconds("1700000000")
    assert seconds("2023-11-14T22:13:20Z") == 1_700_000_000
    with pytest.raises(Terminal, match="yesterday"):
        seconds("yesterday")


def test_missing_fields_are_borne_and_broken_lines_left_out(tmp_path: Path) -> None:
    rows = [{"user_id": 1, "item_id": 2}, {"user_id": 1}, {"user_id": 1, "item_id": 3, "time": "?"}]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows), "{", "[]", ""]))
    assert [(each.user_id, each.item_id, each.type) for each in read_jsonl(path)] == [("1", "2", "click")]
    item = item_of({"item_id": 7, "tags": "a|b", "year": "1999.0"})
    assert (item.tags, item.year, item.kinds) == (("a", "b"), 1999, ("a", "b"))
    assert event_of({"user_id": "u", "item_id": "i", "time": ""}, 5).time == 5


def test_a_log_is_in_each_persons_order_of_time_without_what_was_only_shown() -> None:
    rows = [("b", "x", "click", 3.0), ("a", "y", "click", 2.0), ("b", "z", "click", 1.0), ("a", "x", "expose", 1.0)]
    found = log_of([Event(*row) for row in rows], ["x"])
    named = [(found.users[u], found.items[i]) for u, i in zip(found.user, found.item, strict=True)]
    assert named == [("b", "z"), ("b", "x"), ("a", "y")]
    assert len(log_of([])) == 0
