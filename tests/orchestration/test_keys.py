from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom.errors import UsageError
from searchloom.orchestration import keys
from searchloom.settings import CORPUS_PATTERN

corpora = st.from_regex(CORPUS_PATTERN.removesuffix("$") + r"\Z", fullmatch=True)


@given(corpora, st.none() | st.dates())
def test_a_composite_key_gives_back_its_corpus_and_its_day(corpus: str, day: date | None) -> None:
    partition = day.isoformat() if day else None
    assert keys.split(keys.composite(corpus, partition)) == (corpus, partition)


@pytest.mark.parametrize("key", ["", "default", "2026-11-20", "|2026-11-20", "Big|all", "a b|all", "docs|2026-13-01"])
def test_a_key_of_another_shape_is_refused_with_its_value(key: str) -> None:
    with pytest.raises(UsageError) as refused:
        keys.split(key)
    assert repr(key) in str(refused.value) or repr(key.partition("|")[2]) in str(refused.value)


def test_an_hour_ends_with_the_next_one_and_the_last_one_of_a_day_at_midnight() -> None:
    assert keys.end_of_hour("2026-12-31T07") == datetime(2026, 12, 31, 8, tzinfo=UTC)
    assert keys.end_of_hour(keys.last_hour("2026-12-31")) == keys.end_of("2026-12-31")
    with pytest.raises(UsageError, match="'2026-12-31' is not an hour"):
        keys.end_of_hour("2026-12-31")


def test_a_day_ends_at_the_next_midnight_utc() -> None:
    assert keys.end_of("2026-12-31") == datetime(2027, 1, 1, tzinfo=UTC)
