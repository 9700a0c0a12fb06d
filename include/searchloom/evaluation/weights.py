"""How much the vectors, and the reranker, may say: learned on dev queries, and no further than these can tell.

Of all weights whose figure on dev is within one standard error of the best one's, the one nearest to the weight in
force is taken (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3). With few queries that is
the weight in force itself; with none it always is.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.evaluation import metrics
from searchloom.evaluation.metrics import Qrels
from searchloom.evaluation.shadow import Found, Rerank, rank
from searchloom.evaluation.significance import compare
from searchloom.query import language
from searchloom.release.document import Fusion
from searchloom.settings import EngineName

log = logging.getLogger(__name__)

GRID = tuple(round(step / 20, 2) for step in range(21))
RERANK_GRID = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
OWN_WEIGHT_FROM = 30
"""Dev queries that a language needs before a weight of its own is tried."""

_CLEAR = 2.0  # standard errors: with two depths tried, 95 % of what chance alone does is less
_FOLDS = 5
_SEED = 20

Answers = Mapping[EngineName, Mapping[str, Found]]
"""engine -> query_id -> what it found, of one side."""

Values = NDArray[np.float64]
"""``[weights, queries]``: nDCG@10, mean of the engines."""


@dataclass(frozen=True, slots=True)
class Gain:
    """nDCG@10 on dev over the weight in force, with its 95 % interval; ``curve``: weight -> mean nDCG@10."""

    queries: int
    mean: float
    low: float
    high: float
    curve: dict[float, float]

    def summary(self) -> dict[str, Any]:
        """JSON-able, rounded."""
        facts = asdict(self) | {"curve": {str(weight): round(value, 4) for weight, value in self.curve.items()}}
        return facts | {name: round(facts[name], 4) for name in ("mean", "low", "high")}


@dataclass(frozen=True, slots=True)
class Learned:
    """The fusion that dev asks for, and what it gains there."""

    fusion: Fusion
    gain: Gain


@dataclass(frozen=True, slots=True)
class LearnedRerank:
    """The reranker's share and how deep it reads; a weight of 0: it does not help, release none."""

    weight: float
    depth: int
    gain: Gain


def learn_fusion(answers: Answers, qrels: Qrels, start: Fusion) -> Learned:
    """Learn the vectors' weight, per language only where that wins in cross-validation; ``start`` is in force.

    ``start`` says what the model was trained on too. A method other than ``minmax`` is left as it is.
    """
    queries = _queries(answers, qrels)
    if start.method != "minmax" or not queries:
        log.info("fusion: %s", "no dev queries; the weight in force stays" if not queries else "rrf has no weight")
        return Learned(start, _nothing(len(queries)))
    values = _by_vector_weight(answers, qrels, queries, start)
    texts = next(iter(answers.values()))
    by_language: dict[str, list[int]] = defaultdict(list)
    for place, query in enumerate(queries):
        by_language[language.of_query(texts[query].query)].append(place)

    untrained = {
        code for code in by_language if start.trained_languages and code and code not in start.trained_languages
    }
    general = [place for code, places in by_language.items() if code not in untrained for place in places]
    weight = _nearest(values[:, general], GRID, start.vector_weight)
    own = dict(start.vector_weight_by_language)
    for code, places in by_language.items():
        if not code or len(places) < OWN_WEIGHT_FROM:
            continue
        basis = start.vector_weight_untrained if code in untrained else weight
        found = _nearest(values[:, places], GRID, basis)
        own.pop(code, None)
        if found != basis and (code in untrained or _wins_in_cross_validation(values, places, general, basis)):
            own[code] = found
    fusion = start.model_copy(update={"vector_weight": weight, "vector_weight_by_language": own})
    chosen = np.array([_grid_place(GRID, fusion.weight(language.of_query(texts[q].query))) for q in queries])
    before = np.array([_grid_place(GRID, start.weight(language.of_query(texts[q].query))) for q in queries])
    gain = _gain(queries, values, values[chosen, range(len(queries))] - values[before, range(len(queries))], GRID)
    log.info(
        "fusion: vector weight %.2f (was %.2f)%s; on %d dev queries %+.4f (%+.4f to %+.4f)",
        weight, start.vector_weight, f", by language {own}" if own else "",
        gain.queries, gain.mean, gain.low, gain.high,
    )  # fmt: skip
    return Learned(fusion, gain)


def learn_rerank(
    answers: Answers,
    qrels: Qrels,
    fusion: Fusion,
    rerank: Rerank,
    *,
    depths: Sequence[int] = (10, 20),
    sources: Mapping[str, str] | None = None,
) -> LearnedRerank:
    """Learn the reranker's share and how many documents it reads; its own ``weight`` and ``depth`` count for nothing.

    A query's gain is that of the weight which other queries ask for (the best of many weights always looks a little
    better than none), and as reading costs time at every query, the gain has to be there with 95 % confidence.
    ``sources``: query_id -> who judged it. Each source counts the same, as on the dev of a training: known-item
    queries made from documents are many, and say less than one that somebody asked.
    """
    queries = _queries(answers, qrels)
    best = LearnedRerank(0.0, max(depths), _nothing(len(queries)))
    shares = _shares(queries, sources or {})
    for depth in sorted(depths, reverse=True) if queries else ():
        at = [Rerank(rerank.score, weight, depth, rerank.known) for weight in RERANK_GRID]  # a pair is scored once
        values = np.array([_judged(answers, qrels, queries, fusion, one) for one in at]) * shares
        weight, over = _nearest(values, RERANK_GRID, 0.0), _crossed(values) - values[0]
        if not weight or over.mean() <= _CLEAR * _error(over):
            weight, over = 0.0, np.zeros(len(queries))
        if over.mean() >= best.gain.mean:  # the same gain for less reading is better
            best = LearnedRerank(weight, depth, _gain(queries, values, over, RERANK_GRID))
    log.info(
        "reranker: weight %.2f over %d documents; on %d dev queries %+.4f (%+.4f to %+.4f)",
        best.weight, best.depth, best.gain.queries, best.gain.mean, best.gain.low, best.gain.high,
    )  # fmt: skip
    return best


def _shares(queries: Sequence[str], sources: Mapping[str, str]) -> NDArray[np.float64]:
    """Return a factor for each query, 1 on average, with which the mean is that of the sources' means."""
    counts = Counter(sources.get(query, "") for query in queries)
    return np.array([len(queries) / (len(counts) * counts[sources.get(query, "")]) for query in queries])


def _crossed(values: Values) -> NDArray[np.float64]:
    """Return what each query scores at the weight of ``RERANK_GRID`` that is learned on the others, fold by fold."""
    found = np.empty(values.shape[1])
    order = np.random.default_rng(_SEED).permutation(values.shape[1])
    for fold in range(_FOLDS):
        out = order[fold::_FOLDS]
        weight = _nearest(np.delete(values, out, axis=1), RERANK_GRID, 0.0)
        found[out] = values[_grid_place(RERANK_GRID, weight), out]
    return found


def _queries(answers: Answers, qrels: Qrels) -> list[str]:
    return sorted(set(qrels).intersection(*answers.values())) if answers else []


def _by_vector_weight(answers: Answers, qrels: Qrels, queries: Sequence[str], start: Fusion) -> Values:
    plain = Fusion(method=start.method)
    return np.array(
        [_judged(answers, qrels, queries, plain.model_copy(update={"vector_weight": weight}), None) for weight in GRID]
    )


def _judged(
    answers: Answers, qrels: Qrels, queries: Sequence[str], fusion: Fusion, rerank: Rerank | None
) -> NDArray[np.float64]:
    judged = {query: qrels[query] for query in queries}
    by_engine = []
    for found in answers.values():
        ranked = {query: [one.doc_id for one in rank(found[query], fusion, rerank)[:10]] for query in queries}
        values = metrics.per_query(judged, ranked)["ndcg@10"]
        by_engine.append([values[query] for query in queries])
    mean: NDArray[np.float64] = np.mean(np.array(by_engine), axis=0)
    return mean


def _nearest(values: Values, grid: Sequence[float], basis: float) -> float:
    """Return the weight nearest to ``basis`` whose loss against the best one is within a standard error.

    Where that is not ``basis`` it is better than it: a weight that does well here and badly there has a large error.
    """
    if not values.shape[1]:
        return basis
    means = values.mean(axis=1)
    best = int(means.argmax())

    def as_good(place: int) -> bool:
        loss = values[best] - values[place]
        return place == best or bool(loss.mean() <= _error(loss))

    now = _grid_place(grid, basis)
    if as_good(now):
        return basis
    better = (weight for place, weight in enumerate(grid) if means[place] > means[now] and as_good(place))
    return min(better, key=lambda weight: abs(weight - basis))


def _wins_in_cross_validation(values: Values, places: Sequence[int], general: Sequence[int], basis: float) -> bool:
    """Whether a weight of the language's own is better on queries that it was not learned on."""
    order = np.random.default_rng(_SEED).permutation(places)
    gains: dict[str, float] = {}
    for fold in range(_FOLDS):
        out = order[fold::_FOLDS]
        rest = [place for place in general if place not in set(out)]
        common = _nearest(values[:, rest], GRID, basis)
        own = _nearest(values[:, [place for place in order if place not in set(out)]], GRID, common)
        difference = values[_grid_place(GRID, own), out] - values[_grid_place(GRID, common), out]
        gains |= {str(place): float(one) for place, one in zip(out, difference, strict=True)}
    return compare({"dev": gains}).gained


def _error(differences: NDArray[np.float64]) -> float:
    """Standard error of a mean."""
    return float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else float("inf")


def _grid_place(grid: Sequence[float], weight: float) -> int:
    return int(np.abs(np.array(grid) - weight).argmin())


def _gain(queries: Sequence[str], values: Values, differences: NDArray[np.float64], grid: Sequence[float]) -> Gain:
    found = compare({"dev": dict(zip(queries, differences.tolist(), strict=True))})
    curve = dict(zip(grid, values.mean(axis=1).tolist(), strict=True))
    return Gain(found.queries, found.mean, found.low, found.high, curve)


def _nothing(queries: int) -> Gain:
    return Gain(queries, 0.0, 0.0, 0.0, {})
