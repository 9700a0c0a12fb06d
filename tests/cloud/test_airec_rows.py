from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.airec.filters import condition_of
from searchloom.cloud.airec_rows import (
    MAX_BODY_BYTES,
    MAX_ROW_BYTES,
    MAX_ROWS,
    Row,
    batches,
    encoded,
    flaw,
    recommend_query,
)

ITEM = {"item_id": "d1", "item_type": "article"}
CLICK = {"user_id": "u1", **ITEM, "bhv_type": "click", "bhv_time": "1714521600", "trace_id": "ali", "trace_info": "x"}


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("item", Row(ITEM)),
        ("item", Row(ITEM, "delete")),
        ("user", Row({"user_id": "u-1"}, "update")),
        ("behavior", Row(CLICK)),
    ],
)
def test_rows_without_a_flaw(table: str, row: Row) -> None:
    assert flaw(table, row) == ""


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("item", Row({"item_type": "article"}), "'item_id' is missing"),
        ("item", Row(ITEM | {"item_id": "a/b"}), "letters and digits"),
        ("item", Row(ITEM | {"item_id": "a" * 51}), "at most 50"),
        ("item", Row(ITEM | {"item_type": "song"}), "'song' is none of"),
        ("item", Row(ITEM | {"weight": 1}), "not a string"),
        ("item", Row(ITEM | {"content": "ü" * MAX_ROW_BYTES}), "bytes"),
        ("behavior", Row(CLICK, "update"), "only be added"),
        ("behavior", Row(CLICK | {"trace_id": ""}), "'trace_id' is missing"),
        ("user", Row({}), "'user_id' is missing"),
    ],
)
def test_a_flaw_is_named(table: str, row: Row, reason: str) -> None:
    assert reason in flaw(table, row)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, MAX_ROW_BYTES - 100), max_size=300), st.integers(1, 20))
def test_batches_keep_order_and_limits(sizes: list[int], times: int) -> None:
    rows = [Row(ITEM | {"content": "x" * size}) for size in sizes] * times
    cut = list(batches(rows))
    assert [row for batch in cut for row in batch] == rows
    for batch in cut:
        body = json.dumps([{"cmd": row.cmd, "fields": dict(row.fields)} for row in batch], separators=(",", ":"))
        assert 0 < len(batch) <= MAX_ROWS
        assert len(body) <= MAX_BODY_BYTES
    for batch, following in pairwise(cut):
        assert len(batch) == MAX_ROWS or sum(len(encoded(r)) + 1 for r in [*batch, following[0]]) + 2 > MAX_BODY_BYTES


@given(st.text(min_size=1, max_size=60))
def test_a_filter_travels_in_an_alphabet_that_needs_no_quoting(value: str) -> None:
    filters = {"cond": "equal", "field": "title", "value": value}
    sent = recommend_query(user_id="u", scene_id="s", count=1, filters=filters)["filter"]
    assert set(sent) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    accepts = condition_of(sent)
    assert accepts({"title": value})
    assert not accepts({"title": f"{value}x"})
