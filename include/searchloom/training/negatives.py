"""Hard negatives: what BM25 and the present model find for a query, and what is hardly an answer to it.

A candidate is refused when it may be an answer that nobody judged: it is of a document that answers the query or
another wording of it, it says the same as the positive (cosine above ``NEAR_POSITIVE``), or the present model ranks it
about as high as the positive (above ``CEILING`` of its score: "TopK-PercPos" of Moreira et al., "NV-Retriever", 2024).
Documents that are held out never occur. Documents judged not to answer the query need no such guard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from searchloom.training.pairs import Pair
from searchloom.training.passages import Passages
from searchloom.training.retrieval import Candidates, Vectors
from searchloom.training.splits import draw, plain

NEAR_POSITIVE = 0.95
CEILING = 0.95
_HARDEST = 10  # of each list; the negatives are drawn from these by lot: the very hardest are often answers
_DRAWS = 20  # at random, where the lists give too few


@dataclass(frozen=True)
class Judged:
    """What is known of answers: by the plain words of a query, and for everything."""

    answers: Mapping[str, set[str]]  # plain query -> documents
    refused: Mapping[str, set[str]]  # plain query -> documents judged not to answer it
    reserved: set[str]  # documents that training must not see


@dataclass
class Miner:
    """Finds the negatives of pairs; ``found_by`` counts where they came from."""

    passages: Passages
    candidates: Candidates
    judged: Judged
    seed: int
    count: int
    found_by: Counter[str] = field(default_factory=Counter)

    def mine(self, pair: Pair, place: int) -> list[int]:
        """Return the places of at most ``count`` negatives, each of another document; the positive is at ``place``."""
        query = self.candidates.query(pair.query)
        lexical = self.candidates.bm25((pair.query, self.passages.all[place].tenant))
        lot = np.random.default_rng(draw(self.seed, "negatives", f"{pair.query_id}\0{pair.doc_id}"))
        words = plain(pair.query)
        excluded = {pair.doc_id, *self.judged.answers.get(words, ()), *self.judged.reserved}
        refused = [
            self.passages.of_document[doc_id][0]
            for doc_id in sorted(self.judged.refused.get(words, set()) - excluded)
            if doc_id in self.passages.of_document
        ]
        guarded = {
            "bm25": self._guarded(np.array(lexical, np.int64), place, query, excluded),
            "vector": self._guarded(self.candidates.nearest(pair.query), place, query, excluded),
        }
        queues = {"judged": refused, **guarded}
        mixed = {
            name: [found[index] for index in lot.permutation(len(found[:_HARDEST]))] for name, found in queues.items()
        }
        chosen: list[int] = []
        documents: set[str] = set()
        for name, candidate in self._in_turn(mixed, lot, place, query, excluded):
            if len(chosen) == self.count:
                break
            passage = self.passages.all[candidate]
            if passage.doc_id not in documents:
                documents.add(passage.doc_id)
                chosen.append(candidate)
                self.found_by[name] += 1
        return chosen

    def best_passage(self, doc_id: str, query: str) -> int:
        """Return the place of the document's passage that is nearest to the query."""
        places = self.passages.of_document[doc_id]
        return places[int(np.argmax(self.candidates.vectors[places] @ self.candidates.query(query)))]

    def _in_turn(
        self,
        mixed: Mapping[str, list[int]],
        lot: np.random.Generator,
        place: int,
        query: Vectors,
        excluded: set[str],
    ) -> Iterator[tuple[str, int]]:
        for turn in range(_HARDEST):
            for name, found in mixed.items():
                if turn < len(found):
                    yield name, found[turn]
        drawn = lot.integers(0, len(self.passages.all), _DRAWS)
        for candidate in self._guarded(drawn, place, query, excluded, ceiling=2.0):
            yield "random", candidate

    def _guarded(
        self, places: NDArray[np.int64], place: int, query: Vectors, excluded: set[str], *, ceiling: float | None = None
    ) -> list[int]:
        """Return the candidates that are hardly an answer, in their order; without vectors nothing can be said."""
        found, positive = self.candidates.vectors[places], self.candidates.vectors[place]
        if not positive.any():
            return []
        most = CEILING * float(positive @ query) if ceiling is None else ceiling
        fits = (found @ query < most) & (found @ positive < NEAR_POSITIVE) & found.any(axis=1)
        tenant = self.passages.all[place].tenant
        return [
            candidate
            for candidate in places[fits].tolist()
            if self.passages.all[candidate].doc_id not in excluded and self.passages.all[candidate].tenant == tenant
        ]
