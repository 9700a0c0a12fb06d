"""What a query says of itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from searchloom.query.understanding import MAX_PHRASES, corrected, is_identifier, understand


def test_quotes_are_phrases_and_the_rest_are_words() -> None:
    found = understand('merge "inner  join" of two tables')
    assert found.phrases == ("inner join",)
    assert found.plain == "merge inner join of two tables"
    assert found.words == ("merge", "tables")


@pytest.mark.parametrize("quoted", ["“inner join”", "«inner join»", "「inner join」", "『inner join』"])
def test_the_quotation_marks_of_other_languages_count_too(quoted: str) -> None:
    assert understand(f"merge {quoted}").phrases == ("inner join",)


@pytest.mark.parametrize("query", ['a 5" pipe and a 6" tube', 'an "open end', '""', '"', '" "'])
def test_what_is_no_pair_of_quotes_is_no_phrase(query: str) -> None:
    assert understand(query).phrases == ()


def test_only_so_many_phrases_are_asked_for() -> None:
    assert len(understand(" ".join(f'"word {n}"' for n in range(20))).phrases) == MAX_PHRASES


@pytest.mark.parametrize(
    "token",
    [
        *("read_parquet", "DataFrame.merge", "std::vector", "__init__", "camelCase", "HTTPServer", "CVE-2024-1234"),
        *("utf8", "1.2.3rc1", "10.0.0.1", "a/b/c.py", "someone@example.com", "RRF", "BM25", "x=1"),
    ],
)
def test_names_of_things_are_identifiers(token: str) -> None:
    assert is_identifier(token)
    assert understand(f"what is {token}?").identifiers == (token,)


@pytest.mark.parametrize("token", ["merge", "Merge", "state-of-the-art", "e.g.", "U.S.", "503", "5", "合并", "", "..."])
def test_words_and_numbers_are_not(token: str) -> None:
    assert not is_identifier(token)


def test_identifiers_and_quotes_are_never_corrected() -> None:
    found = understand('the tabels of "misspelt tabels" in read_parqet')
    assert found.words == ("tabels",)
    assert corrected('tabels of "my tabels", Tabels', {"tabels": "tables"}) == 'tables of "my tabels", tables'


@given(st.text(max_size=200))
@hypothesis_settings(max_examples=300, deadline=None)
def test_every_query_can_be_taken_apart(text: str) -> None:
    found = understand(text)
    assert all(phrase.strip() for phrase in found.phrases)
    assert corrected(text, {}) == text
    assert found.plain or not text.strip()
    assert set(found.words).isdisjoint(word.lower() for word in found.identifiers)
