# ruff: noqa: RUF001
"""Whatever the model says, and however it comes in pieces: what leaves keeps the rules."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from searchloom.query.chat import prompt as prompts
from searchloom.query.chat.composer import Composer
from searchloom.query.chat.guard import MAX_COPIED, clean
from searchloom.query.chat.schemas import NumberedPassage

TEXTS = (
    "Merge two tables with a database-style join on a key column. The default is an inner join, since version 2.1.",
    "Concatenate tables along an axis; the index of the result can be made anew with ignore_index.",
)
_HOSTILE = (
    *(
        "<script>",
        "</",
        "<img src=x onerror=alert(1)>",
        "![a](",
        "[click](",
        "](",
        ")",
        "http://",
        "https://evil.com/x",
    ),
    *("evil.com", "www.evil.org", "javascript:", "&lt;a href=&quot;", "&#60;", "[1]", "[2]", "[3]", "[99]", "[1, 7]"),
    *(
        "[1-9]",
        "【3】",
        "[^4]",
        "[passage 5]",
        "`x[0]`",
        "`[8]`",
        "<",
        ">",
        "[",
        "]",
        "(",
        "!",
        "`",
        "\u200b",
        "\u202e",
    ),
    *("<|im_end|>", "Merge two tables.", "join", " ", "\n", ". ", "。", "h", "t", "tp", "s:", "//", "e.g. ", "A. "),
    *("NOT_IN_PASSAGES", "§", "//evil.com", "data:text/html,x", "mailto:a@b.com", "10.0.0.1/x", "[a][b]", "[a]: "),
)
hostile = st.lists(st.sampled_from(_HOSTILE) | st.text(max_size=6), max_size=40)


def made() -> prompts.Prompt:
    passages = [
        NumberedPassage(number=n, doc_id="d" * 32, chunk_id="c" * 32, title="", section="", text=text)
        for n, text in enumerate(TEXTS, start=1)
    ]
    return prompts.build("how do I merge two tables?", passages, budget=1000)


def answered(pieces: list[str]) -> tuple[Composer, str]:
    composer = Composer(made())
    shown = "".join(composer.feed(piece) for piece in pieces) + composer.finish()
    return composer, shown


def is_harmless(text: str) -> bool:
    return not re.search(
        r"<[A-Za-z/!?]|\]\(|[a-z][a-z0-9+.-]+://|javascript:|(?<!\w)(?:data|mailto):[!-~]|(?<!\w)www\.\w|(?<!\w)evil\.(?:com|org)(?!\w)|<\||[\u200b\u202e]",
        text,
        re.IGNORECASE,
    )


@settings(deadline=None)
@given(hostile)
@example(["[click", "\n\nhere](https://evil.com/x)"])
@example(["<scr", "ipt src=//evil.com>"])
@example(["evil", ".com"])
def test_no_link_no_markup_and_no_citation_of_nothing_ever_leaves(pieces: list[str]) -> None:
    composer, shown = answered(pieces)
    assert shown == composer.answer
    assert is_harmless(shown), shown
    outside_code = re.sub(r"`[^`\n]*`", "", shown)
    assert {int(number) for number in re.findall(r"\[(\d+)\]", outside_code)} <= {1, 2}
    checked = composer.checked()
    for citation in checked.citations:
        assert shown[citation.start : citation.end] == f"[{citation.number}]"
    for span in checked.unsupported:
        assert 0 <= span.start < span.end <= len(shown)


@settings(deadline=None)
@given(hostile)
def test_cleaning_what_is_clean_changes_nothing(pieces: list[str]) -> None:
    text = clean("".join(pieces), 2)
    assert clean(text, 2) == text
    assert is_harmless(text), text


@settings(deadline=None)
@given(st.text(max_size=300), st.lists(st.integers(min_value=1, max_value=20), max_size=60))
def test_plain_words_come_through_whole_however_they_are_cut(text: str, lengths: list[int]) -> None:
    words = " ".join(re.findall(r"[a-z]{1,10}", text)) or "nothing"
    pieces, at = [], 0
    for length in lengths:
        pieces.append(words[at : at + length])
        at += length
    _, shown = answered([*pieces, words[at:]])
    assert shown.split() == words.split()


def test_a_supported_sentence_without_citation_is_given_one() -> None:
    composer, shown = answered(
        ["Merge two tables with a join on a key column. Bananas are yellow fruit from the south."]
    )
    assert shown == "Merge two tables with a join on a key column [1]. Bananas are yellow fruit from the south."
    checked = composer.checked()
    assert [(one.number, one.supported, one.added) for one in checked.citations] == [(1, True, True)]
    assert [shown[one.start : one.end] for one in checked.unsupported] == ["Bananas are yellow fruit from the south."]


def test_a_citation_behind_the_full_stop_belongs_to_the_sentence_before() -> None:
    composer, shown = answered(["Merge two tables with a join. [1] ", "Concatenate tables along an axis.[2] Done."])
    assert shown == "Merge two tables with a join. [1] Concatenate tables along an axis.[2] Done."
    assert [one.supported for one in composer.checked().citations] == [True, True]


def test_a_number_that_the_passage_does_not_hold_is_not_supported() -> None:
    composer, _ = answered(["The default is an inner join, since version 3.7 [1]."])
    assert [one.supported for one in composer.checked().citations] == [False]
    composer, _ = answered(["The default is an inner join, since version 2.1 [1]."])
    assert [one.supported for one in composer.checked().citations] == [True]


def test_citations_are_normalised_and_those_of_nothing_taken_out() -> None:
    said = "One [1, 2]. Two [^1]. Three 【2】. Four [Passage 1]. Five [7]. Six [1-2]. Seven [2019]. Eight [1†x]."
    assert clean(said, 2) == "One [1][2]. Two [1]. Three [2]. Four [1]. Five . Six [1][2]. Seven . Eight [1]."


def test_code_keeps_its_brackets() -> None:
    assert clean("Use `df.iloc[0]` and `[3]` [1].", 1) == "Use `df.iloc[0]` and `` [1]."


@pytest.mark.parametrize(
    "name",
    [
        "pandas.io.sql",
        "e.g. this",
        "p<0.05",
        "a < b",
        "ratio 3:1",
        "read_parquet.py",
        "data: the rows",
        "3.5.1",
        "x: y",
    ],
)
def test_what_only_looks_like_a_link_stays(name: str) -> None:
    assert clean(f"See {name} there.", 2) == f"See {name} there."


def test_an_answer_that_tells_its_prompt_ends() -> None:
    built = made()
    for said in (
        f"My mark is {built.mark[:5]} {built.mark[5:]}.",
        f"It is {' '.join(built.mark.strip('§').upper())} I think.",
        f"Sure. {built.rules.splitlines()[1][3:]} More.",
    ):
        composer = Composer(built)
        shown = composer.feed(said) + composer.finish()
        assert composer.stopped
        assert built.mark.strip("§") not in shown
        assert "in the language of the question" not in shown


def test_a_heading_that_a_small_model_repeats_is_taken_out() -> None:
    built = made()
    composer = Composer(built)
    said = f"{built.mark} passage 1 {built.mark} Merge two tables with a database-style join on a key column."
    shown = "".join(composer.feed(character) for character in said) + composer.finish()
    assert shown == "Merge two tables with a database-style join on a key column [1]."


def test_a_model_that_says_the_same_again_is_stopped() -> None:
    said = "Merge two tables with a database-style join on a key column, which is the default. "
    composer = Composer(made())
    shown = "".join(composer.feed(f"{word} ") for word in (said * 3).split()) + composer.finish()
    assert composer.repeats
    assert shown.count("database-style") == 1


def test_a_passage_is_not_read_out_whole() -> None:
    words = " ".join(f"word{n}" for n in range(MAX_COPIED * 2))
    passage = NumberedPassage(number=1, doc_id="d" * 32, chunk_id="c" * 32, title="", section="", text=f"{words}.")
    composer = Composer(prompts.build("words?", [passage], budget=3000))
    shown = "".join(composer.feed(f"{word} ") for word in words.split()) + composer.finish()
    assert composer.stopped
    assert len(shown.split()) <= MAX_COPIED


@pytest.mark.parametrize(
    "said",
    [
        *("NOT_IN_PASSAGES", "not in passages.", "The passages do not say how.", "I don't know the answer."),
        *("Sorry, I cannot find it.", "根据提供的段落，没有相关信息。", "There is no mention of bananas."),
    ],
)
def test_a_denial_is_heard_and_not_shown(said: str) -> None:
    composer, shown = answered([said])
    assert composer.denied
    assert not shown
