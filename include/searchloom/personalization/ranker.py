"""LambdaMART over the features, and how far it may be trusted.

Trained on groups: what was shown together (its places on the page are handed to LightGBM, which estimates and takes out
their bias), or what each person dealt with last against what he could have been shown. No group is judged by a forest
that has seen its person: scores for choosing come from cross-fitting by person. The forest is then blended with the
order that would stand without it; the weight is the one that did best on those scores, and 0 where nothing shows that
the forest is better: where persons do not differ, the plain order stays.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from searchloom.errors import Terminal
from searchloom.personalization.features import FEATURES
from searchloom.personalization.sparse import Floats, Ints
from searchloom.personalization.trees import Trees

log = logging.getLogger(__name__)

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
_FOLDS = 3
_LEAST_GROUPS = 30
_RESAMPLES, _BLOCK = 4000, 250
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates of one person at one moment. ``plain``: their scores in the order that needs no person.

    ``positions`` from 0, where they were shown; ``history``: how much the person had done.
    """

    person: int
    rows: Ints
    lines: NDArray[np.float32]
    labels: NDArray[np.int32]
    plain: Floats
    positions: Ints | None = None
    history: int = 0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What cross-fitting showed: mean nDCG@10 of the plain and of the blended order, and the difference's interval."""

    groups: int = 0
    plain: float = 0.0
    blended: float = 0.0
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Ranker:
    """A forest and its weight against the plain order; at weight 0 the plain order stands."""

    trees: Trees
    weight: float
    evidence: Evidence

    def scores(self, lines: NDArray[np.float32], plain: Floats) -> Floats:
        """The blended scores of one group of candidates."""
        if not self.weight:
            return standard(plain)
        return blended(self.trees.scores(lines), plain, self.weight)

    def uses(self, feature: str) -> bool:
        """Whether a feature has a say; one that was unknown throughout the training has none."""
        return bool(self.weight) and self.trees.uses(FEATURES.index(feature), len(FEATURES))

    def save(self, folder: Path) -> None:
        """Write the forest and its card into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self.trees.save(folder / "trees.npz")
        card = {"features": FEATURES, "weight": self.weight, "evidence": asdict(self.evidence)}
        (folder / "ranker.json").write_text(json.dumps(card), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote; raises ``Terminal`` for a ranker of other features."""
        try:
            card = json.loads((folder / "ranker.json").read_text(encoding="utf-8"))
            trees = Trees.load(folder / "trees.npz")
        except (OSError, ValueError) as error:
            raise Terminal(f"{folder} holds no ranker: {error}") from error
        if tuple(card["features"]) != FEATURES:
            raise Terminal(f"{folder} holds a ranker of other features; train it again with this version")
        return cls(trees, float(card["weight"]), Evidence(**card["evidence"]))


@dataclass(frozen=True, slots=True)
class Training:
    """How a forest is grown."""

    trees: int = 100
    learning_rate: float = 0.06
    leaves: int = 15
    least_in_leaf: int = 60
    seed: int = 7
    threads: int = 1  # groups are small: a second thread gains little, and loses much where others need the cores


DEFAULT_TRAINING = Training()


def learn(groups: Sequence[Group], *, training: Training = DEFAULT_TRAINING, cautious: bool = True) -> Ranker:
    """Train on groups. ``cautious``: the forest gets a weight only where its gain is significant.

    Of fewer than ``_LEAST_GROUPS`` groups with a label nothing is learned: the plain order stands.
    """
    told = [group for group in groups if group.labels.any() and not group.labels.all()]
    if len(told) < _LEAST_GROUPS:
        if groups:
            log.info("%d groups are too few to train a ranker: the plain order stands", len(told))
        return Ranker(Trees.of({"tree_info": []}), 0.0, Evidence(len(told)))
    persons = np.array([group.person for group in told])
    fold = np.random.default_rng(training.seed).integers(0, _FOLDS, int(persons.max()) + 1)[persons]
    judged: list[Floats] = [np.empty(0)] * len(told)
    for number in range(_FOLDS):
        rest = [group for group, mine in zip(told, fold, strict=True) if mine != number]
        trees = grow(rest, training) if rest else None
        for place in np.flatnonzero(fold == number):
            judged[place] = trees.scores(told[place].lines) if trees else told[place].plain
    weight, evidence = choose(told, judged, cautious=cautious)
    log.info("ranker: weight %.2f, nDCG@10 %.4f against %.4f", weight, evidence.blended, evidence.plain)
    return Ranker(grow(told, training), weight, evidence)


def grow(groups: Sequence[Group], training: Training) -> Trees:
    """Train one forest."""
    import lightgbm  # noqa: PLC0415  its import takes seconds and serving never needs it

    placed = all(group.positions is not None for group in groups)
    data = lightgbm.Dataset(
        np.concatenate([group.lines for group in groups]),
        label=np.concatenate([group.labels for group in groups]),
        group=[len(group.rows) for group in groups],
        position=np.concatenate([group.positions for group in groups if group.positions is not None])
        if placed
        else None,
        params={"verbosity": -1},
        free_raw_data=True,
    )
    parameters: dict[str, Any] = {
        "objective": "lambdarank",
        "lambdarank_truncation_level": 20,
        "learning_rate": training.learning_rate,
        "num_leaves": training.leaves,
        "max_depth": _DEPTH,
        "min_data_in_leaf": training.least_in_leaf,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "seed": training.seed,
        "deterministic": True,
        "num_threads": training.threads,
        "verbosity": -1,
    }
    booster = lightgbm.train(parameters, data, num_boost_round=training.trees)
    return Trees.of(booster.dump_model())


def choose(groups: Sequence[Group], judged: Sequence[Floats], *, cautious: bool) -> tuple[float, Evidence]:
    """The weight that does best on scores of forests that had not seen the groups, and what speaks for it."""
    gains = np.array(
        [
            [ndcg(blended(scores, group.plain, weight), group.labels) for weight in WEIGHTS]
            for group, scores in zip(groups, judged, strict=True)
        ]
    )
    best = int(gains.mean(axis=0).argmax())
    persons = [group.person for group in groups]
    low, high = interval(gains[:, best] - gains[:, 0], persons)
    if cautious and low <= 0:
        best = 0
    means = gains.mean(axis=0)
    return WEIGHTS[best], Evidence(len(groups), float(means[0]), float(means[best]), low, high)


def interval(differences: NDArray[np.float64], persons: Sequence[int], *, seed: int = 7) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean of paired differences.

    What one person brings is not independent: persons are drawn, not differences.
    """
    person = np.unique(np.asarray(persons), return_inverse=True)[1]
    sums, counts = np.bincount(person, differences), np.bincount(person)
    return ratio_interval(sums.astype(np.float64), counts.astype(np.float64), seed=seed)


def ratio_interval(sums: Floats, weights: Floats, *, seed: int = 7) -> tuple[float, float]:
    """The 95 % bootstrap interval of the sum of ``sums`` over that of ``weights``, of which each person brings one."""
    generator = np.random.default_rng(seed)
    ratios = []
    for _ in range(_RESAMPLES // _BLOCK):
        drawn = generator.integers(0, len(weights), (_BLOCK, len(weights)))
        ratios.append(sums[drawn].sum(axis=1) / weights[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(ratios), [0.025, 0.975])
    return float(low), float(high)


def blended(scores: Floats, plain: Floats, weight: float) -> Floats:
    """Both orders on one scale, the forest's with ``weight``."""
    return weight * standard(scores) + (1 - weight) * standard(plain)


def standard(scores: Floats) -> Floats:
    """Scores of one group with mean 0 and deviation 1; all 0 where they do not differ."""
    deviation = float(scores.std()) if len(scores) else 0.0
    return (scores - scores.mean()) / deviation if deviation > 1e-12 else np.zeros(len(scores))


def ndcg(scores: Floats, labels: NDArray[np.int32], depth: int = 10) -> float:
    """The nDCG of the order of these scores; 0 where nothing is relevant."""
    discounts = 1 / np.log2(np.arange(2, depth + 2))
    ideal = np.sort(labels)[::-1][:depth]
    best = float((ideal * discounts[: len(ideal)]).sum())
    found = labels[np.argsort(-scores, kind="stable")[:depth]]
    return float((found * discounts[: len(found)]).sum()) / best if best else 0.0
