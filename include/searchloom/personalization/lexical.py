"""BM25 over a few thousand short texts, for trials without a search engine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from searchloom.personalization.sparse import Floats

_WORD = re.compile(r"\w+")
_K1, _B = 1.2, 0.75


class Bm25:
    """Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond" (2009)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._postings: dict[str, list[tuple[int, int]]] = {}
        lengths = np.zeros(len(texts))
        for place, text in enumerate(texts):
            words = Counter(_WORD.findall(text.lower()))
            lengths[place] = words.total()
            for word, count in words.items():
                self._postings.setdefault(word, []).append((place, count))
        self._norm = _K1 * (1 - _B + _B * lengths / max(float(lengths.mean()), 1.0)) if len(texts) else lengths

    def __call__(self, query: str) -> Floats:
        """The score of every text."""
        found = np.zeros(len(self._norm))
        for word in set(_WORD.findall(query.lower())):
            if word in self._postings:
                places, counts = (np.array(column) for column in zip(*self._postings[word], strict=True))
                rarity = np.log1p((len(found) - len(places) + 0.5) / (len(places) + 0.5))
                found[places] += rarity * counts * (_K1 + 1) / (counts + self._norm[places])
        return found
