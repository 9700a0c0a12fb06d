"""Which pairs a training sees, in which order.

That is a function of the seed and the step alone, so that a resumed training sees what it would have seen.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from searchloom.errors import Terminal
from searchloom.training.training_set import TrainingSet

CORPUS = "corpus"
"""The source of pairs that were made from the documents themselves."""

FEWEST_CORPUS = 300
"""Corpus pairs beside however few judged ones."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a passage that answers it, with passages that do not."""

    query: str
    positive: str
    chunk_id: str
    doc_id: str
    source: str
    weight: float
    negatives: tuple[tuple[str, str], ...]  # chunk id, text


class Pairs:
    """The pairs of a training set, and what is known to be right for a query."""

    def __init__(self, training_set: TrainingSet) -> None:
        """Raise ``Terminal`` for a set without pairs."""
        self.all = [
            Pair(
                query=row["query"],
                positive=row["positive"],
                chunk_id=row["chunk_id"],
                doc_id=row["doc_id"],
                source=row["source"],
                weight=row["weight"],
                negatives=tuple(zip(row["negative_ids"], row["negatives"], strict=True)),
            )
            for row in training_set.pairs.to_pylist()
        ]
        if not self.all:
            raise Terminal(f"training set {training_set.card.fingerprint} holds no pairs; there is nothing to learn")
        self._right: dict[str, set[str]] = defaultdict(set)
        for pair in self.all:
            self._right[_folded(pair.query)] |= {pair.chunk_id, pair.doc_id, pair.positive}

    def is_right(self, query: str, *marks: str) -> bool:
        """Whether any of a passage's marks (chunk id, document id, text) is known to answer the query."""
        return not self._right[_folded(query)].isdisjoint(marks)


class Order:
    """The batches of a training.

    An epoch holds every judged pair once. The first one holds corpus pairs too, evenly mixed, ``corpus_ratio`` times as
    many as judged ones but at least ``FEWEST_CORPUS``: they adapt the model to the corpus, and what people judged has
    the last word. Without judged pairs an epoch holds every corpus pair.
    """

    def __init__(self, pairs: Pairs, *, batch_size: int, epochs: float, corpus_ratio: float, seed: int) -> None:
        self._pairs = pairs.all
        judged = np.array([i for i, pair in enumerate(pairs.all) if pair.source != CORPUS], dtype=np.int64)
        corpus = np.array([i for i, pair in enumerate(pairs.all) if pair.source == CORPUS], dtype=np.int64)
        wanted = round(max(corpus_ratio * len(judged), FEWEST_CORPUS)) if corpus_ratio else 0
        chosen = np.random.default_rng([seed, 1]).permutation(corpus)[:wanted]
        self._later = judged if len(judged) else corpus
        self._first = np.concatenate([judged, chosen]) if len(judged) else corpus
        self._batch_size = batch_size
        self._seed = seed
        first, later = (math.ceil(len(members) / batch_size) for members in (self._first, self._later))
        self._steps_of_first, self._steps_of_later = first, later
        self.steps = max(1, math.ceil(min(epochs, 1.0) * first + max(epochs - 1.0, 0.0) * later))
        self._known_epoch = -1
        self._epoch_order = np.zeros(0, dtype=np.int64)

    def batch(self, step: int) -> list[Pair]:
        """The pairs of a step, counted from 0."""
        epoch, place = 0, step
        if step >= self._steps_of_first:
            epoch, place = divmod(step - self._steps_of_first, self._steps_of_later)
            epoch += 1
        if epoch != self._known_epoch:
            chance = np.random.default_rng([self._seed, 2, epoch])
            self._epoch_order = chance.permutation(self._later if epoch else self._first)
            self._known_epoch = epoch
        chosen = self._epoch_order[place * self._batch_size : (place + 1) * self._batch_size]
        return [self._pairs[index] for index in chosen]


def _folded(query: str) -> str:
    return " ".join(query.casefold().split())
