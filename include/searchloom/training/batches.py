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

    An epoch holds every judged pair once and ``corpus_ratio`` times as many corpus pairs, evenly mixed; the next epoch
    goes on with corpus pairs that were not seen yet. Without judged pairs an epoch holds every corpus pair.
    """

    def __init__(self, pairs: Pairs, *, batch_size: int, epochs: float, corpus_ratio: float, seed: int) -> None:
        self._pairs = pairs.all
        self._judged = np.array([i for i, pair in enumerate(pairs.all) if pair.source != CORPUS], dtype=np.int64)
        self._corpus = np.array([i for i, pair in enumerate(pairs.all) if pair.source == CORPUS], dtype=np.int64)
        wanted = round(corpus_ratio * len(self._judged)) if len(self._judged) else len(self._corpus)
        self._corpus_an_epoch = min(wanted, len(self._corpus))
        self._batch_size = batch_size
        self._seed = seed
        self.pairs_an_epoch = len(self._judged) + self._corpus_an_epoch
        self.steps_an_epoch = math.ceil(self.pairs_an_epoch / batch_size)
        self.steps = max(1, math.ceil(epochs * self.steps_an_epoch))
        self._known_epoch = -1
        self._epoch_order = np.zeros(0, dtype=np.int64)

    def batch(self, step: int) -> list[Pair]:
        """The pairs of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_an_epoch)
        if epoch != self._known_epoch:
            self._epoch_order, self._known_epoch = self._epoch(epoch), epoch
        chosen = self._epoch_order[place * self._batch_size : (place + 1) * self._batch_size]
        return [self._pairs[index] for index in chosen]

    def _epoch(self, epoch: int) -> np.ndarray:
        chance = np.random.default_rng([self._seed, epoch])
        members = np.concatenate([self._judged, self._corpus_part(epoch)])
        chance.shuffle(members)
        return members

    def _corpus_part(self, epoch: int) -> np.ndarray:
        # One endless row of shuffled passes over the corpus pairs, cut into parts.
        if not self._corpus_an_epoch:
            return self._corpus[:0]
        start = epoch * self._corpus_an_epoch
        taken = []
        for number in range(start, start + self._corpus_an_epoch):
            turn, place = divmod(number, len(self._corpus))
            taken.append((turn, place))
        turns = {turn: np.random.default_rng([self._seed, 1, turn]).permutation(self._corpus) for turn, _ in taken}
        return np.array([turns[turn][place] for turn, place in taken], dtype=np.int64)


def _folded(query: str) -> str:
    return " ".join(query.casefold().split())
