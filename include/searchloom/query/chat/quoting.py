"""An answer without the language model: the passages' own sentences that speak most of the question."""

from __future__ import annotations

from collections.abc import Sequence

from searchloom.query.chat.screening import LEFT_OUT
from searchloom.query.chat.words import overlap, plain_words, sentences, terms

MAX_SENTENCES = 3
_FEWEST_WORDS = 5
_MOST_WORDS = 50
_LEAST = 0.2  # share of the question's terms


def quotation(question: str, texts: Sequence[str]) -> str:
    """Up to three sentences of the passages (in the order of their numbers), each with its citation; maybe none."""
    asked = terms(question)
    found = [
        (overlap(asked, terms(sentence)), -number, -place, sentence.strip())
        for number, text in enumerate(texts, start=1)
        for place, sentence in enumerate(sentences(text))
        if LEFT_OUT not in sentence and _FEWEST_WORDS <= len(plain_words(sentence)) <= _MOST_WORDS
    ]
    best = sorted(found, reverse=True)[:MAX_SENTENCES]
    told = sorted((one for one in best if one[0] >= _LEAST), key=lambda one: (-one[1], -one[2]))
    return " ".join(f"{sentence} [{-number}]" for _, number, _, sentence in told)
