"""Ranking metrics by ``ir_measures`` (trec_eval underneath), and intervals by the paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

MEASURES = {"ndcg@10": nDCG @ 10, "mrr@10": RR @ 10, "recall@100": R @ 100}

Ranking = Sequence[str]
"""Ids of documents, best first."""

Qrels = Mapping[str, Mapping[str, int]]
"""query_id -> doc_id -> grade."""

_RESAMPLES = 10_000
_BLOCK = 500  # resamples drawn at a time: bounds the memory


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean difference and the 95 % interval around it."""

    mean: float
    low: float
    high: float


def per_query(qrels: Qrels, rankings: Mapping[str, Ranking]) -> dict[str, dict[str, float]]:
    """Each measure for each judged query: ``{measure: {query_id: value}}``; a query without a ranking counts 0.

    The order of a ranking is what counts: ranks are handed on as scores, so that equal scores cannot be re-ordered.
    """
    run = {
        query_id: {doc_id: -float(rank) for rank, doc_id in enumerate(ranking)}
        for query_id, ranking in rankings.items()
    }
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in MEASURES}
    names = {measure: name for name, measure in MEASURES.items()}
    grades = {query_id: dict(judged) for query_id, judged in qrels.items()}
    for metric in ir_measures.iter_calc(list(MEASURES.values()), grades, run):
        values[names[metric.measure]][metric.query_id] = float(metric.value)
    return values


def paired_bootstrap(values: Mapping[str, float], baseline: Mapping[str, float], *, seed: int = 20) -> Interval:
    """Mean of ``values - baseline`` over the queries of both, with its 95 % percentile interval.

    Source: Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006.
    """
    queries = sorted(values.keys() & baseline.keys())
    differences = np.array([values[query] - baseline[query] for query in queries])
    if not len(differences):
        return Interval(0.0, 0.0, 0.0)
    generator = np.random.default_rng(seed)
    edges = [*range(0, _RESAMPLES, _BLOCK), _RESAMPLES]
    means = np.concatenate(
        [
            differences[generator.integers(0, len(differences), (high - low, len(differences)))].mean(axis=1)
            for low, high in pairwise(edges)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(differences.mean()), float(low), float(high))
