from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from searchloom.training.pairs import MOST, Pair, known_item, of_corpus
from searchloom.training.passages import Passage, Passages
from searchloom.training.splits import plain

LONG = "The measured pressures agree with theory at every station along the chord, and the drag does too. "


def passages(*documents: tuple[str, list[tuple[str, str]]]) -> Passages:
    """Documents as (title, [(section, text)]); their ids are d0, d1, ..."""
    found = [
        Passage(f"c{number}-{ordinal}", f"d{number}", ordinal, title, section, text, "default", f"h{number}-{ordinal}")
        for number, (title, parts) in enumerate(documents)
        for ordinal, (section, text) in enumerate(parts)
    ]
    return Passages(found, {"default": {"everyone"}})


def by_kind(found: list[Pair]) -> dict[str, Pair]:
    return {pair.query_id.split(":")[0]: pair for pair in found}


def test_a_title_is_taken_out_of_the_head_of_its_passage():
    text = "Flow past a flat plate.\nFlow past a flat plate - " + LONG * 2
    pair = by_kind(of_corpus(passages(("Flow past a flat plate .", [("", text)])), set()))["title"]
    assert pair.query == "Flow past a flat plate"
    assert pair.positive.startswith("The measured pressures")


def test_a_chinese_title_at_the_head_of_a_sentence_is_taken_out():
    text = "《锣鼓经》是大陆传统器乐及戏曲里面常用的打击乐记谱方法。以中文字的声音模拟敲击乐的声音。" * 2
    pair = by_kind(of_corpus(passages(("锣鼓经", [("", text)])), set()))["title"]
    assert pair.query == "锣鼓经"
    assert pair.positive.startswith("是大陆传统器乐")


def test_without_a_title_the_first_sentence_asks_for_the_rest():
    text = "Heat transfer near a stagnation point was measured in flight. " + LONG * 2
    pair = by_kind(of_corpus(passages(("", [("", text)])), set()))["sentence"]
    assert pair.query == "Heat transfer near a stagnation point was measured in flight"
    assert pair.query not in pair.positive
    assert pair.rank == 0


def test_a_passage_that_begins_in_the_middle_of_a_sentence_gives_another_one():
    start = "nd this half of a sentence was cut off by the chunker. A whole sentence of this passage stands here. "
    document = ("", [("", "Short."), ("", start + LONG)])
    pair = by_kind(of_corpus(passages(document), set()))["sentence"]
    assert pair.query == "A whole sentence of this passage stands here"


def test_a_short_heading_is_asked_with_its_title_and_a_long_one_alone():
    document = ("Pump manual", [("Repair", LONG * 2), ("Repair > 2.1 Changing the shaft seal", LONG * 2 + "Seal.")])
    queries = {pair.query: pair for pair in of_corpus(passages(document), set()) if "heading" in pair.query_id}
    assert set(queries) == {"Pump manual Repair", "Changing the shaft seal"}
    assert queries["Pump manual Repair"].without == {"title", "section"}
    assert queries["Changing the shaft seal"].positive.startswith("Pump manual\n")


def test_a_functions_name_is_split_into_words_and_comes_last():
    text = f"Rows match by the nearest key of both tables. {LONG * 2}"
    found = of_corpus(passages(("pandas.DataFrame.merge_asof", [("", text)])), set())
    assert by_kind(found)["title"].query == "pandas DataFrame merge asof"
    assert by_kind(found)["title"].rank > by_kind(found)["sentence"].rank


def test_a_query_that_two_documents_answer_is_no_pair():
    twice = ("Annual report", [("", LONG * 2)])
    found = of_corpus(passages(twice, ("Annual report", [("", LONG * 2 + "Other words.")])), set())
    assert "title" not in by_kind(found)


def test_tables_and_code_give_no_sentence():
    text = "x = 1; y[2] -> {z: 3}; ... >>> f(x, y)[0:2] == 17 * 4 / 22 + 1.5e-7 % 3 ^ 2 | 0xFF & 12345678. " * 4
    assert of_corpus(passages(("", [("", text)])), set()) == []


def test_lists_of_parameters_give_no_sentence():
    text = ":arg index: Name of the target index to be searched.\nParameters\n----------\nvalue : scalar\n    "
    text += (
        "The value that is used to fill all missing values. "
        + LONG
        + "It ends here, after some more words about nothing else that would matter to anybody."
    )
    pair = by_kind(of_corpus(passages(("", [("", text)])), set()))["sentence"]
    assert pair.query == LONG.strip().rstrip(".")


def test_the_known_item_query_is_that_of_the_most_natural_pair():
    found = passages(("Flow past a flat plate", [("", LONG * 2)]), ("", [("", "Too short.")]))
    assert known_item(found, "d0") == "Flow past a flat plate"
    assert known_item(found, "d1") == ""


TITLES = st.lists(st.sampled_from(["Flow", "past", "plates", "锣鼓", "a.b_c"]), max_size=4).map(" ".join)
TEXTS = st.text(string.ascii_letters + " .\n!?。锣鼓", max_size=400)
DOCUMENTS = st.lists(
    st.tuples(TITLES, st.lists(st.tuples(TITLES, TEXTS | st.just(LONG * 3)), min_size=1, max_size=4)), max_size=8
)


@given(DOCUMENTS, st.sets(st.integers(0, 7)))
def test_no_positive_begins_with_its_query_and_no_reserved_document_has_a_pair(
    documents: list[tuple[str, list[tuple[str, str]]]], reserved: set[int]
):
    found = of_corpus(passages(*documents), {f"d{number}" for number in reserved})
    queries = [plain(pair.query) for pair in found]
    assert len(set(queries)) == len(queries)
    assert len({pair.positive for pair in found}) == len(found)
    for pair in found:
        assert plain(pair.query)
        assert not plain(pair.positive).startswith(plain(pair.query))
        assert pair.doc_id not in {f"d{number}" for number in reserved}
        assert sum(other.doc_id == pair.doc_id for other in found) <= MOST
