"""The plain recommenders that the personal one is held against: popularity, item-kNN, implicit ALS and BPR, EASE.

Each is learned from what was liked, by ``implicit`` where it has it, and scores every item for every person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from searchloom.personalization.events import Log
from searchloom.personalization.fit import Limits, ease, matrix
from searchloom.personalization.sparse import Floats, Ints

Scores = Callable[[Ints], np.ndarray]
"""From users' places to scores, ``[users, items]``."""

_KNN = 100
_FACTORS = 64


def peers(events: Log, limits: Limits) -> Mapping[str, Scores]:
    """Learn all of them from a log."""
    liked = matrix(events, events.liked)
    popularity = np.asarray(liked.sum(axis=0)).ravel()
    return {
        "popularity": lambda users: np.tile(popularity, (len(users), 1)),
        "item-knn": _item_knn(liked, limits),
        "als": _als(liked, limits),
        "bpr": _bpr(liked, limits),
        "ease": _ease(liked, popularity, limits),
    }


def _item_knn(liked: sp.csr_matrix, limits: Limits) -> Scores:
    from implicit.nearest_neighbours import CosineRecommender  # noqa: PLC0415  its import takes a second

    model = CosineRecommender(K=_KNN, num_threads=limits.threads)
    model.fit(liked, show_progress=False)
    return lambda users: np.asarray((liked[users] @ model.similarity).toarray())


def _als(liked: sp.csr_matrix, limits: Limits) -> Scores:
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415

    model = AlternatingLeastSquares(
        factors=_FACTORS,
        regularization=limits.factor_regularisation,
        alpha=limits.factor_confidence,
        iterations=limits.factor_rounds,
        random_state=limits.seed,
        num_threads=limits.threads,
    )
    with threadpool_limits(1, "blas"):  # implicit has threads of its own
        model.fit(liked.astype(np.float32), show_progress=False)
    return lambda users: np.asarray(model.user_factors[users] @ model.item_factors.T)


def _bpr(liked: sp.csr_matrix, limits: Limits) -> Scores:
    from implicit.cpu.bpr import BayesianPersonalizedRanking  # noqa: PLC0415

    model = BayesianPersonalizedRanking(
        factors=_FACTORS, iterations=100, random_state=limits.seed, num_threads=limits.threads
    )
    model.fit(liked.astype(np.float32), show_progress=False)
    return lambda users: np.asarray(model.user_factors[users] @ model.item_factors.T)


def _ease(liked: sp.csr_matrix, popularity: Floats, limits: Limits) -> Scores:
    popular = np.argsort(-popularity, kind="stable")[: limits.ease_items]
    with threadpool_limits(limits.threads):
        weights = ease(liked[:, popular], limits.ease_regularisation)

    def scores(users: Ints) -> np.ndarray:
        # An item beyond the catalogue that EASE takes comes after all others, in the order of popularity.
        found = np.tile(popularity / (1.0 + popularity.max(initial=0.0)) - 100.0, (len(users), 1))
        found[:, popular] = liked[users][:, popular] @ weights
        return found

    return scores
