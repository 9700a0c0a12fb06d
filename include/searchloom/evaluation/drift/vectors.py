"""Where queries lie in the space of the live embedding model: whether the recent ones can be told from those before.

A classifier two-sample test (Lopez-Paz and Oquab, ICLR 2017): Fisher's discriminant over the main directions of all
vectors and their squares, so that a shift of the mean shows as well as one of the spread. It is learned from some
people and asked about others; if nothing has changed it cannot know better than a coin, and its AUC is a half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from searchloom.evaluation.drift.report import Figure
from searchloom.evaluation.drift.shares import apart
from searchloom.evaluation.drift.windows import Behaviour, Search
from searchloom.settings import Drift

NAME = "vectors of queries"
Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts -> unit vectors, [n, dims]."""

_MOST = 2000  # searches of a window, drawn
_FOLDS = 5
_DIRECTIONS = 32
_RIDGE = 0.1  # of the mean variance
_SEED = 7


def told_apart(behaviour: Behaviour, encode: Encode, settings: Drift) -> Figure:
    """How well recent queries can be told from those before; people who are in both count on both sides."""
    sides = [_drawn(behaviour.of(recent=recent)) for recent in (False, True)]
    searches = [*sides[0], *sides[1]]
    recent = np.arange(len(searches)) >= len(sides[0])
    names = sorted({one.person for one in searches})
    number = {name: place for place, name in enumerate(names)}
    persons = np.array([number[one.person] for one in searches])
    texts = sorted({one.text for one in searches})
    place = {text: row for row, text in enumerate(texts)}
    vectors = encode(texts)[[place[one.text] for one in searches]].astype(np.float64)
    folds = np.random.default_rng(_SEED).permutation(len(names))[persons] % _FOLDS
    scores = _scores(_features(vectors), recent, folds)
    line = apart("told apart (AUC)", scores, recent, persons, threshold=settings.told_apart)
    means = [vectors[side].mean(axis=0) for side in (~recent, recent)]
    cosine = means[0] @ means[1] / np.prod([np.linalg.norm(mean) for mean in means])
    figure = Figure.of(NAME, [line])
    return figure.model_copy(update={"sentence": f"{figure.sentence}; cosine of the two means {cosine:.3f}"})


def _drawn(searches: list[Search]) -> list[Search]:
    """At most ``_MOST`` of them, always the same."""
    ordered = sorted(searches)
    if len(ordered) <= _MOST:
        return ordered
    return [ordered[row] for row in np.random.default_rng(_SEED).choice(len(ordered), _MOST, replace=False)]


def _features(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The main directions and their squares, each of mean 0 and deviation 1; nobody says whose vectors they are."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    main = centred @ directions[:, ::-1][:, :_DIRECTIONS]
    both = np.hstack([main, main**2])
    return np.asarray((both - both.mean(axis=0)) / np.maximum(both.std(axis=0), 1e-9))


def _scores(features: NDArray[np.float64], recent: NDArray[np.bool_], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """How recent each query looks to a discriminant that knows nothing of its person."""
    scores = np.zeros(len(features))
    for fold in range(_FOLDS):
        asked, told = folds == fold, folds != fold
        mine = [features[told & side] for side in (~recent, recent)]
        if not asked.any() or not all(len(side) for side in mine):
            continue
        spread = (np.cov(mine[0].T, bias=True) + np.cov(mine[1].T, bias=True)) / 2
        ridge = _RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
        weights = np.linalg.solve(spread + ridge, mine[1].mean(axis=0) - mine[0].mean(axis=0))
        known = features[told] @ weights
        scores[asked] = (features[asked] @ weights - known.mean()) / max(float(known.std()), 1e-9)
    return scores
