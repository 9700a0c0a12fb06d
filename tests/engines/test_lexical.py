"""What is asked of both engines for a query's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from searchloom.engines import lexical
from searchloom.engines.connect import wire as wire_to
from searchloom.engines.interface import Access
from searchloom.engines.lexical import MAX_TERMS, clean, filters, lexical_query, passage
from searchloom.settings import Settings

ANYONE = Access("default")


@pytest.mark.parametrize(
    ("query", "suffix"),
    [
        ("heat transfer", ""),
        ("naïve café", ""),
        ("战国无双", ".cjk"),
        ("pandas 怎么合并", ".cjk"),
        ("データ", ".cjk"),
        ("한국어", ".cjk"),
    ],
)
def test_a_query_with_cjk_characters_goes_to_the_bigrams(query: str, suffix: str) -> None:
    fields = lexical_query(query, ANYONE)["bool"]["must"][0]["multi_match"]["fields"]
    assert fields == [f"title{suffix}", f"section{suffix}", f"text{suffix}"]


def test_everyone_is_among_the_groups_once() -> None:
    groups = filters(Access("default", ("b", "everyone", "a")))[1]["terms"]["groups"]
    assert groups == ["a", "b", "everyone"]


def test_an_ordinary_query_stays_as_it_is() -> None:
    question = (
        "what similarity laws must be obeyed when constructing aeroelastic models of heated high speed aircraft ."
    )
    assert clean(question) == question
    assert clean(" ".join(f"word{n}" for n in range(MAX_TERMS))).endswith(f"word{MAX_TERMS - 1}")


def test_a_query_is_cut_between_words() -> None:
    assert clean(" ".join(f"word{n}" for n in range(5000))).split()[-1] == f"word{MAX_TERMS - 1}"


@given(query=st.text(max_size=300))
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_analyser_makes_more_terms_than_are_counted(settings: Settings, query: str) -> None:
    counted = sum(1 for _ in lexical._TERM.finditer(clean(query)))
    wire = wire_to("opensearch", settings.opensearch)
    for analyzer in ("english", "cjk"):
        tokens = wire.call("POST", "/_analyze", {"analyzer": analyzer, "text": clean(query)})["tokens"]
        assert len(tokens) <= counted
    wire.close()


def test_the_head_of_a_text_ends_between_words_where_it_has_spaces() -> None:
    assert passage({}, "short & sweet") == "short &amp; sweet"
    assert passage({}, "wordwordword " * 50).endswith("wordwordword …")
    assert passage({}, "字" * 1000) == "字" * 250 + " …"
    assert passage({"text": []}, "head") == "head"
    assert passage({"text.cjk": ["<em>x</em>"]}, "head") == "<em>x</em>"
