"""How much of a sentence its passage holds: the share of the sentence's terms that stand in the passage.

Chosen on PubMedQA's 500 training questions, where an expert's conclusion (970 sentences) is a claim, its own abstract
the passage that supports it, and the most similar other abstract one that does not: this share tells them apart with
an AUC of .93; the cosine of the base model's vectors with .84, the mean of both with .92. From ``SUPPORTED`` on, 77 %
of the true claims pass and 4 % of the false ones. A number that the passage does not hold is never supported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from searchloom.query.chat.guard import CODE
from searchloom.query.chat.words import overlap, terms

SUPPORTED = 0.4

_CITED = re.compile(r"\[(\d{1,3})\]")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])")
_SMALL = 10  # numbers that are also words: one, two, ...


class Support:
    """Measures sentences against the passages of one answer."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Take the passages' texts in the order of their numbers, from 1."""
        self._terms = [terms(text) for text in texts]
        self._numbers = [set(_NUMBER.findall(text)) for text in texts]

    @property
    def count(self) -> int:
        """How many passages there are."""
        return len(self._terms)

    def of(self, sentence: str, number: int) -> float:
        """The share of the sentence that passage ``number`` holds, 0 to 1."""
        said = _CITED.sub(" ", sentence)
        figures = {
            figure for figure in _NUMBER.findall(said) if len(figure) > 2 or int(figure[:2].strip(".,")) > _SMALL
        }
        if not figures <= self._numbers[number - 1]:
            return 0.0
        return overlap(terms(said), self._terms[number - 1])

    def best(self, sentence: str) -> tuple[int, float]:
        """The passage that holds most of a sentence, and its share; (0, 0.0) without passages."""
        shares = [(self.of(sentence, number), -number) for number in range(1, self.count + 1)]
        share, place = max(shares, default=(0.0, 0))
        return -place, share


def marks(sentence: str) -> list[re.Match[str]]:
    """The citations of a sentence, their numbers in group 1; code cites nothing."""
    code = [match.span() for match in CODE.finditer(sentence)]
    found = _CITED.finditer(sentence)
    return [match for match in found if not any(start <= match.start() < end for start, end in code)]


def cited(sentence: str) -> list[int]:
    """The numbers that a sentence cites."""
    return [int(mark[1]) for mark in marks(sentence)]


def says_something(sentence: str) -> bool:
    """Whether a sentence makes a claim that could be supported: a heading or a "Yes." does not."""
    return len(terms(_CITED.sub(" ", sentence))) > 1
