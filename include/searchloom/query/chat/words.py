"""Words and sentences, as far as measuring needs them: English by stems, Chinese by pairs of characters."""

# ruff: noqa: RUF001
from __future__ import annotations

import re
from functools import lru_cache

_STOP = frozenset(
    re.findall(
        r"\w+",
        "a about after all also am an and any are as at be because been both but by can could did do does each for "
        "from had has have how i if in into is it its may me more most my no not of on only or other our out over "
        "please say show so such tell than that the their them then there these they this those through to under up "
        "was we were what when where which while who why will with would you your",
    )
)
_SUFFIXES = (
    *("ization", "isation", "ations", "ation", "ments", "ment", "ingly", "ings", "ing", "ities", "ity", "ness"),
    *("ied", "ies", "edly", "ed", "es", "ly", "s", "e"),
)
_SHORTEST_STEM = 4
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_RUN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+(?:[.,][0-9]+)*")
_FIRST_CJK = re.compile(rf"[{_CJK}]")
# Characters that say little by themselves: of, is, and, at, one's, this, what, how...
_PARTICLES = frozenset("的了是在和与及或也都就而被把对中为以于之其这那吗呢吧啊有什么怎么如何请我你他它们")

_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|al|vs|cf|Fig|fig|Dr|No|no|approx|resp|ca|St|Mr|Mrs|Ms|Eq)|\b[A-Z])\.$")
_END = re.compile(r"[.!?]+[\"'”’)]*(?=[\s\[【])|[。！？]+[”’）」』]*|\n")


def plain_words(text: str) -> list[str]:
    """Words in their order, in lower case; each Chinese or Japanese character is one."""
    found: list[str] = []
    for run in _RUN.findall(text.lower()):
        found += list(run) if _FIRST_CJK.match(run) else [run]
    return found


def terms(text: str) -> frozenset[str]:
    """What a text is about: stems of its words, without those that every text holds; numbers as they are."""
    found: set[str] = set()
    for run in _RUN.findall(text.lower()):
        if _FIRST_CJK.match(run):
            found.update(_pairs(run))
        elif run not in _STOP and (len(run) > 1 or run.isdigit()):
            found.add(_stem(run))
    return frozenset(found)


def overlap(claim: frozenset[str], source: frozenset[str]) -> float:
    """The share of a claim's terms that the source holds, 0 to 1; 0 for a claim that says nothing."""
    return len(claim & source) / len(claim) if claim else 0.0


def sentence_end(text: str, start: int = 0) -> int:
    """Where the sentence that begins at ``start`` ends (behind its mark); -1 where no end can be seen yet."""
    for match in _END.finditer(text, start):
        if match[0] == "\n" or not _ABBREVIATION.search(text[start : match.end()].rstrip("\"'”’)")):
            return match.end()
    return -1


def sentences(text: str) -> list[str]:
    """The sentences of a text, with the space between them at their ends: put together they are the text."""
    found, start = [], 0
    while (end := sentence_end(text, start)) >= 0:
        while end < len(text) and text[end].isspace():
            end += 1
        found.append(text[start:end])
        start = end
    return [*found, text[start:]] if start < len(text) else found


def is_chinese(text: str) -> bool:
    """Whether a text is to be answered in Chinese: it holds Han characters and no kana."""
    return bool(re.search(r"[\u4e00-\u9fff]", text)) and not re.search(r"[\u3040-\u30ff]", text)


@lru_cache(maxsize=8192)
def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word[: -len(suffix)]
    return word


def _pairs(run: str) -> set[str]:
    pairs = {run[at : at + 2] for at in range(len(run) - 1)} or {run}
    return {pair for pair in pairs if not any(character in _PARTICLES for character in pair)}
