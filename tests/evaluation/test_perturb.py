from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from searchloom.evaluation.perturb import variants

THINGS = ("wing", "plate", "cone", "nose")
QUERIES = {str(n): f"what is the boundary layer of a {thing}" for n, thing in enumerate(THINGS)}


def test_the_same_seed_makes_the_same_variants_and_another_one_others() -> None:
    assert variants(QUERIES) == variants(QUERIES)
    assert variants(QUERIES, seed=1) != variants(QUERIES, seed=2)


def test_keywords_leave_out_what_every_query_says() -> None:
    assert variants(QUERIES)["0"]["keywords"] == "wing"


def test_order_keeps_every_word_and_a_slip_every_letter() -> None:
    made = variants(QUERIES)["1"]
    assert sorted(made["order"].split()) == sorted(QUERIES["1"].split())
    assert Counter(made["typo"]) == Counter(QUERIES["1"])
    assert made["typo"] != QUERIES["1"]


def test_chinese_is_perturbed_without_spaces() -> None:
    made = variants({"1": "如何合并两个 pandas 表格"})["1"]
    assert "pandas" in made["order"]
    assert " " not in made["order"]


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=60), max_size=8))
def test_any_text_is_taken_and_every_variant_differs_in_words(queries: dict[str, str]) -> None:
    made = variants(queries)
    assert made.keys() == queries.keys()
    assert all(text for kinds in made.values() for text in kinds.values())
