"""Where a long text may be cut: equal pieces, at paragraph, sentence and word ends."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
_NO_START = "\u0300-\u036f\u3099\u309a\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef，。！？；：、）」』】》〉”’…—"  # noqa: RUF001
_LEVELS = (  # (quality of a cut at the end of the match, pattern)
    (1, re.compile(rf"\s+|(?<=[{_CJK}])(?=[^\s{_NO_START}])|(?<=[^\s])(?=[{_CJK}])")),
    (2, re.compile(r"\n|(?<=[.!?;:])[\"')\]]*+\s+|(?<![。！？；…])[。！？；…]++[”’」』）]*+(?=[^\s”’」』）])")),  # noqa: RUF001
    (3, re.compile(r"\n\s*\n")),
)
_WORTH = np.array([-10.0, 0.0, 0.3, 0.5])  # of a cut of each quality, in shares of a piece's length off the ideal
_SLICE = 200_000  # characters
_LONGEST_TOKEN = 96  # characters; what a tokenizer takes as one longer token counts as several

Array = NDArray[np.int64]


def token_starts(offsets: Sequence[tuple[int, int]], length: int) -> Array:
    """Character at which each token starts, increasing; the longest gaps are filled so that every text can be cut."""
    starts = np.unique(np.array([start for start, _ in offsets] or [0], dtype=np.int64))
    gaps = np.diff(np.append(starts, length))
    if not gaps.size or gaps.max() <= _LONGEST_TOKEN:
        return starts
    filled = [
        np.arange(start, end, _LONGEST_TOKEN, dtype=np.int64) for start, end in pairwise([*starts.tolist(), length])
    ]
    return np.concatenate(filled)


def slices(text: str) -> list[str]:
    """Cut a text that is longer than a tokenizer should get at once, at a paragraph, a line or a word."""
    found = []
    while len(text) > _SLICE:
        marks = (text.rfind(mark, _SLICE // 2, _SLICE) for mark in ("\n\n", "\n", " "))
        at = next((mark for mark in marks if mark > 0), _SLICE)
        found.append(text[:at])
        text = text[at:].lstrip()
    return [*found, text]


def split(text: str, starts: Array, *, room: int, overlap: int) -> list[tuple[int, int]]:
    """Return the spans (start, end in characters) of pieces of at most ``room`` tokens that cover the text.

    Neighbours share about ``overlap`` tokens, and begin where a sentence or at least a word does.
    """
    total = len(starts)
    quality = _quality(text, starts)
    spans: list[tuple[int, int]] = []
    begin = 0
    while total - begin > room:
        rest = total - begin
        pieces = math.ceil((rest - overlap) / (room - overlap))
        target = math.ceil((rest + (pieces - 1) * overlap) / pieces)
        low = begin + max(overlap * 2, target * 2 // 3, 1)
        end = _best(quality, low, min(begin + room, total - 1), begin + target, target)
        spans.append((_character(starts, begin), int(starts[end])))
        begin = _next_start(quality, begin, end, overlap)
    spans.append((_character(starts, begin), len(text)))
    return spans


def _character(starts: Array, token: int) -> int:
    return int(starts[token]) if token else 0


def _quality(text: str, starts: Array) -> Array:
    """How good a cut before each token is: 0 inside a word, 1 word, 2 sentence or line, 3 paragraph."""
    quality = np.zeros(len(starts) + 1, dtype=np.int64)
    for level, pattern in _LEVELS:
        ends = np.fromiter((found.end() for found in pattern.finditer(text)), dtype=np.int64)
        at = np.searchsorted(starts, ends)
        # a cut must fall on the token's own first character, or on white space before it
        exact = at[(at < len(starts)) & (starts[np.minimum(at, len(starts) - 1)] == ends)]
        quality[exact] = level
    return quality


def _best(quality: Array, low: int, high: int, ideal: int, length: int) -> int:
    low = min(low, high)
    window = np.arange(low, high + 1)
    score = _WORTH[quality[low : high + 1]] - np.abs(window - ideal) / length
    return int(window[int(np.argmax(score))])


def _next_start(quality: Array, begin: int, end: int, overlap: int) -> int:
    """Go back about ``overlap`` tokens from the cut; without a word's start there, go on at the cut itself."""
    low, high = max(begin + 1, end - overlap * 3 // 2), end - max(1, overlap // 2)
    if not overlap or high < low:
        return end
    start = _best(quality, low, high, end - overlap, max(overlap, 1))
    return start if quality[start] else end
