"""What goes to AIRec keeps its rules, whatever documents and events hold."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from searchloom.behaviour import rows
from searchloom.behaviour.items import Items, Scheme, _Text
from searchloom.behaviour.planned import Planned, Refused
from searchloom.behaviour.semantics import Semantics
from searchloom.cloud.airec_rows import MAX_ROW_BYTES, encoded, flaw
from searchloom.schemas import doc_id

SCHEME = Scheme("docs", "article", "searchloom")
CLOCK = rows.Clock(time.time(), 3600)
DOCUMENT = doc_id("docs", "a")


class NoVectors:
    version = ""

    def words(self, vectors: Any) -> str:
        assert not vectors
        return ""


def event(**fields: Any) -> dict[str, Any]:
    return {"event_id": "e", "user_id": "ann", "item_id": DOCUMENT, "type": "click", "time": CLOCK.now - 5} | fields


@given(
    st.text(max_size=3000), st.lists(st.text(max_size=300), max_size=40), st.lists(st.text(max_size=5000), max_size=4)
)
def test_a_document_of_any_text_fits_into_ten_kilobytes(title: str, sections: list[str], pieces: list[str]) -> None:
    without: Any = None  # a row is made without a bucket, a manifest and vectors
    vectors: Any = NoVectors()
    items = Items(without, without, SCHEME, vectors)
    text = _Text(title, dict.fromkeys(sections), list(enumerate(pieces)))
    row = {"doc_id": DOCUMENT, "source_id": "a", "key": "x/y_z/a.md", "last_modified": datetime(2026, 1, 1, tzinfo=UTC)}
    planned = items._upsert(row | {"language": "en", "tenant": "default"}, text)
    assert flaw("item", planned.row) == ""
    assert len(encoded(planned.row)) <= MAX_ROW_BYTES
    assert planned.row.fields["category_path"] == "docs_x_y-z"
    assert len(planned.row.fields["tags"].split(",")) <= 22
    assert Planned.of_line(planned.line()) == planned


json_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=30)
    | st.lists(st.integers(), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["event_id", "user_id", "tenant", "item_id", "type", "time", "value", "position", "trace_id", "scene"]
        ),
        json_values,
    )
)
def test_an_event_of_any_shape_becomes_a_row_without_a_flaw_or_a_dead_letter(said: dict[str, Any]) -> None:
    made = rows.behaviour(event() | said, DOCUMENT, SCHEME, CLOCK)
    if isinstance(made, Planned):
        assert flaw("behavior", made.row) == ""
        assert 0 <= int(made.row.fields["bhv_time"]) <= CLOCK.now
        assert Planned.of_line(made.line()).row == made.row
    else:
        assert made.reason
        assert Refused.of_line(made.line()).reason == made.reason


def test_our_types_of_events_are_called_what_airec_calls_them() -> None:
    kinds = {"click": "click", "view": "click", "dwell": "stay", "rating": "evaluate", "hide": "dislike", "buy": "buy"}
    for ours, theirs in kinds.items():
        made = rows.behaviour(event(type=ours), DOCUMENT, SCHEME, CLOCK)
        assert isinstance(made, Planned)
        assert made.row.fields["bhv_type"] == theirs


def test_documents_of_like_meaning_share_more_words_than_others() -> None:
    draw = np.random.default_rng(3)
    semantics = Semantics(64)

    def shared(one: Any, other: Any) -> int:
        return len(set(semantics.words(one).split(",")) & set(semantics.words(other).split(",")))

    near = far = 0
    for _ in range(50):
        vector = draw.standard_normal(64).astype(np.float32)
        near += shared(vector, vector + 0.3 * draw.standard_normal(64).astype(np.float32))
        far += shared(vector, draw.standard_normal(64).astype(np.float32))
        assert shared(vector, 7 * vector) == 8
    assert near > 3 * far
