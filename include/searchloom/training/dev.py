"""The dev split as training sees it: dev's queries rank the passages of the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from searchloom.evaluation import metrics
from searchloom.training.training_set import TrainingSet, judged_queries

Scores = NDArray[np.float32]
MEASURE = "ndcg@10"


@dataclass(frozen=True)
class Dev:
    """Queries, what answers them, and the passages to rank: all of the relevant documents, and others up to a limit."""

    query_ids: list[str]
    queries: list[str]
    qrels: dict[str, dict[str, int]]
    sources: dict[str, str]  # query_id -> who judged it
    passages: list[str]
    doc_ids: list[str]

    @classmethod
    def of(cls, training_set: TrainingSet, *, passages: int) -> Dev:
        """Take at most so many passages, those of relevant documents before others."""
        queries, qrels = judged_queries(training_set.dev)
        rows = training_set.dev_pool.to_pylist()
        relevant = {doc_id for judged in qrels.values() for doc_id, grade in judged.items() if grade > 0}
        rows.sort(key=lambda row: row["doc_id"] not in relevant)
        rows = rows[: max(passages, sum(row["doc_id"] in relevant for row in rows))]
        sources = dict(
            zip(training_set.dev["query_id"].to_pylist(), training_set.dev["source"].to_pylist(), strict=True)
        )
        texts, doc_ids = [row["text"] for row in rows], [row["doc_id"] for row in rows]
        return cls(list(queries), list(queries.values()), qrels, sources, texts, doc_ids)

    def figures(self, scores: Scores) -> dict[str, float]:
        """Measures of ``[queries, passages]`` scores; a document counts by its best passage.

        Each source of judgments counts the same, however many queries it has: known-item queries made from documents
        are many, and say less than one that somebody asked. ``ndcg@10 human`` and the like are those of one source.
        """
        rankings = {query_id: rank(self.doc_ids, row) for query_id, row in zip(self.query_ids, scores, strict=True)}
        values = metrics.per_query(self.qrels, rankings)
        parts = {
            source: [values[MEASURE][query_id] for query_id in self.query_ids if self.sources[query_id] == source]
            for source in sorted(set(self.sources.values()))
        }
        means = {f"{MEASURE} {source}": float(np.mean(part)) for source, part in parts.items()}
        return {MEASURE: float(np.mean(list(means.values()))), **(means if len(means) > 1 else {})}


def rank(doc_ids: Sequence[str], scores: NDArray[np.float32], depth: int = 100) -> list[str]:
    """Documents by their best passage, best first."""
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(doc_ids[index] for index in order))[:depth]
