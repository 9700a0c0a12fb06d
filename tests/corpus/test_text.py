from __future__ import annotations

import gzip
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom.corpus.document import Unreadable
from searchloom.corpus.text import clean, decode, gunzip


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("plain ASCII", "ascii"),
        ("naïve café — 中文", "utf-8"),
        ("naïve café — 中文", "utf-8-sig"),
        ("with a mark ü", "utf-16"),
        ("Le café était fermé, le garçon a préféré rentrer à l'hôtel.", "latin-1"),
        ("It\u2019s \u201cquoted\u201d, and 5€", "cp1252"),
        ("Привет, это обычный русский текст про погоду и природу.", "cp1251"),
        ("《战国无双3》是由光荣和开发的战国无双系列的正统第三续作。", "gbk"),
        ("これは日本語のテキストです。東京は日本の首都です。", "shift_jis"),
        ("안녕하세요 이것은 한국어 문서입니다 테스트", "euc_kr"),
    ],
)
def test_text_in_a_known_charset_is_read(text: str, charset: str) -> None:
    assert decode(text.encode(charset)) == text


@pytest.mark.parametrize(
    "data",
    [
        b"hello \xff\xfe\xfa world, this is invalid utf-8 text",
        b"\xff\xfe\xfd\xfc\xfb broken",
        b"valid start \xc3\x28 \xa0\xa1 \xe2\x28\xa1 end of it",
        b"abc \xff def",
        "中文文本很好".encode() + b"\xff\xc3(" + "更多的中文文本".encode(),
        "some café".encode() + b"\xc3",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x01\x90",
        b"text with a \x00 byte",
        random.Random(1).randbytes(3000),
    ],
)
def test_bytes_that_no_charset_explains_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(Unreadable):
        assert isinstance(decode(data), str)


@given(st.text(max_size=200))
def test_clean_text_can_be_written_as_utf8_and_cleaning_it_again_changes_nothing(text: str) -> None:
    cleaned = clean(text + "\ud800")
    assert cleaned.encode()
    assert clean(cleaned) == cleaned


def test_gzip_bombs_and_damaged_gzip_are_refused() -> None:
    assert gunzip(gzip.compress(b"one") + gzip.compress(b"two"), 100) == b"onetwo"
    for data, reason in (
        (gzip.compress(bytes(10_000_000)), "larger than the limit"),
        (gzip.compress(b"text" * 100)[:-9], "too early"),
        (b"no gzip", "damaged"),
    ):
        with pytest.raises(Unreadable, match=reason):
            gunzip(data, 1000)
