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
        return cls(list(queries), list(queries.values()), qrels, [r["text"] for r in rows], [r["doc_id"] for r in rows])

    def figures(self, scores: Scores) -> dict[str, float]:
        """Measures of ``[queries, passages]`` scores; a document counts by its best passage."""
        rankings = {query_id: rank(self.doc_ids, row) for query_id, row in zip(self.query_ids, scores, strict=True)}
        values = metrics.per_query(self.qrels, rankings)
        return {name: float(np.mean(list(values[name].values()))) for name in (MEASURE, "mrr@10")}


def rank(doc_ids: Sequence[str], scores: NDArray[np.float32], depth: int = 100) -> list[str]:
    """Documents by their best passage, best first."""
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(doc_ids[index] for index in order))[:depth]
