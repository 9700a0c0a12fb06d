from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.corpus.chunk import Chunker, Piece
from searchloom.corpus.document import Document, Section
from searchloom.errors import UsageError
from tests.corpus.runs import TOKENIZER

CHUNKER = Chunker(TOKENIZER, max_tokens=64, overlap_tokens=8)
_WORDS = st.text(st.sampled_from("abcdef éü中文字。！.? \n'-\u0301👩🏽"), max_size=400)  # noqa: RUF001
_ANY = st.text(max_size=300)
_PATHS = st.lists(st.sampled_from(["One", "Two words", "三"]), max_size=3).map(tuple)
_SECTIONS = st.lists(st.builds(Section, _PATHS, _WORDS | _ANY), max_size=6)


def cut(text: str, title: str = "") -> list[Piece]:
    return CHUNKER.cut([Document("", title, (Section((), text),))])[0]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


@settings(deadline=None, max_examples=100)
@given(title=_WORDS, sections=_SECTIONS)
def test_every_chunk_fits_the_model_and_every_character_is_in_some_chunk(title: str, sections: list[Section]) -> None:
    (pieces,) = CHUNKER.cut([Document("", title, tuple(sections))])
    assert pieces
    assert max(CHUNKER.tokens([piece.embedding_text for piece in pieces])) <= CHUNKER.max_tokens
    whole = squeezed("".join(piece.text for piece in pieces))
    for section in sections:
        for character in set(squeezed(section.text)):
            assert character in whole
    if len(sections) == 1:
        assert_covered(sections[0].text, [piece.text for piece in pieces])


def assert_covered(text: str, pieces: list[str]) -> None:
    """Each piece begins within or right behind what the pieces before it have covered."""
    wanted, covered, begin = squeezed(text), 0, 0
    for piece in map(squeezed, pieces):
        at = wanted.find(piece, begin)
        assert 0 <= at <= covered
        begin, covered = at, max(covered, at + len(piece))
    assert covered == len(wanted)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=400))
def test_words_are_never_cut(words: list[str]) -> None:
    known = set(words)
    for piece in cut(" ".join(words)):
        assert set(piece.text.split()) <= known


def test_a_document_that_just_fits_stays_whole_and_one_token_more_makes_two_of_about_equal_length() -> None:
    (whole,) = cut("word " * 62)
    assert len(whole.text.split()) == 62
    lengths = [len(piece.text.split()) for piece in cut("word " * 63)]
    assert len(lengths) == 2
    assert min(lengths) > 20


def test_neighbours_overlap_and_no_crumb_is_left() -> None:
    text = " ".join(f"w{number}" for number in range(500))
    pieces = [piece.text.split() for piece in cut(text)]
    assert all(set(left) & set(right) for left, right in pairwise(pieces))
    counts = CHUNKER.tokens([" ".join(piece) for piece in pieces])
    assert min(counts) > max(counts) / 2


def test_cuts_prefer_the_ends_of_sentences_chinese_ones_too() -> None:
    assert all(piece.text.endswith("。") for piece in cut("这是一个很短的句子。" * 40))
    assert all(piece.text.endswith(".") for piece in cut("This is a short sentence. " * 40))


def test_small_sections_share_a_chunk_with_their_headings_and_large_ones_keep_their_own() -> None:
    small = Document("", "T", (Section((), "Intro."), Section(("A",), "About a."), Section(("A", "B"), "About b.")))
    assert CHUNKER.cut([small])[0] == [Piece("T", "", "Intro.\n\nA\nAbout a.\n\nA > B\nAbout b.")]
    large = Document("", "T", (Section(("A",), "alpha " * 50), Section(("B",), "beta " * 50)))
    assert {piece.section for piece in CHUNKER.cut([large])[0]} == {"A", "B"}


def test_an_absurdly_long_title_is_cut_for_the_budget_and_lost_nowhere() -> None:
    title = " ".join(f"title{number}" for number in range(100))
    for pieces in CHUNKER.cut([Document("", title, ()), Document("", title, (Section((), "text"),))]):
        assert max(CHUNKER.tokens([piece.embedding_text for piece in pieces])) <= CHUNKER.max_tokens
    assert "title99" in cut("", title)[-1].text
    assert cut("", "Short") == [Piece("Short", "", "")]


def test_one_endless_word_is_cut_into_bounded_pieces() -> None:
    pieces = cut("x" * 100_000)
    assert max(len(piece.text) for piece in pieces) < 10_000
    assert "".join(piece.text for piece in pieces).count("x") >= 100_000


def test_limits_that_leave_no_room_are_refused() -> None:
    with pytest.raises(UsageError, match="leave no room"):
        Chunker(TOKENIZER, max_tokens=32, overlap_tokens=30)
