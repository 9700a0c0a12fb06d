"""Judge the live release through the query API: every engine, every mode, each against BM25 on the same queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Literal

from searchloom.evaluation import metrics
from searchloom.evaluation.collection import Collection
from searchloom.evaluation.runs import Answer, run_queries
from searchloom.settings import EngineName

Mode = Literal["bm25", "vector", "hybrid", "reranked"]
MODES: tuple[Mode, ...] = ("bm25", "vector", "hybrid", "reranked")
"""``hybrid`` is without the release's reranker, ``reranked`` with it."""

Search = Callable[[str, EngineName, Mode], Answer]
"""query, engine, mode -> the best documents, best first."""


@dataclass(frozen=True)
class Judged:
    """What one engine did in one mode."""

    answers: dict[str, Answer] = field(repr=False)
    values: dict[str, dict[str, float]] = field(repr=False)  # measure -> query_id -> value
    over_bm25: metrics.Interval | None = None
    unseen: AbstractSet[str] | None = field(default=None, repr=False)  # queries of documents that no model was told of

    def summary(self) -> dict[str, Any]:
        """Means over the queries, and the gain in nDCG@10 over BM25 with its 95 % interval.

        Where it is known which queries are unseen, the same means over these, named ``..._unseen``.
        """
        means: dict[str, Any] = {name: round(fmean(values.values()), 4) for name, values in self.values.items()}
        means["queries"] = len(next(iter(self.values.values())))
        if self.unseen is not None:
            kept = {name: [values[one] for one in values if one in self.unseen] for name, values in self.values.items()}
            means |= {f"{name}_unseen": round(fmean(found), 4) for name, found in kept.items() if found}
            means["queries_unseen"] = len(next(iter(kept.values())))
        if self.over_bm25 is not None:
            means["ndcg@10_over_bm25"] = {name: round(value, 4) for name, value in asdict(self.over_bm25).items()}
        return means


def evaluate(
    collection: Collection,
    search: Search,
    *,
    engines: Sequence[EngineName],
    modes: Sequence[Mode],
    unseen: AbstractSet[str] | None = None,
    done: Callable[[], None] = lambda: None,
) -> dict[EngineName, dict[Mode, Judged]]:
    """Run and judge every (engine, mode); where BM25 is among the modes the others are compared with it."""
    results: dict[EngineName, dict[Mode, Judged]] = {}
    for engine in engines:
        results[engine] = {}
        for mode in sorted(modes, key=MODES.index):
            answers = run_queries(collection.queries, _bound(search, engine, mode), done=done)
            rankings = {query_id: [found.doc_id for found in answer] for query_id, answer in answers.items()}
            values = metrics.per_query(collection.qrels, rankings)
            bm25 = results[engine].get("bm25")
            gain = metrics.paired_bootstrap(values["ndcg@10"], bm25.values["ndcg@10"]) if bm25 else None
            results[engine][mode] = Judged(answers, values, gain, unseen)
    return results


def _bound(search: Search, engine: EngineName, mode: Mode) -> Callable[[str], Answer]:
    return lambda query: search(query, engine, mode)
