"""The forest read without LightGBM, the trust in it, and the metric."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pytest

from searchloom.errors import Terminal
from searchloom.evaluation.metrics import per_query
from searchloom.personalization.features import FEATURES
from searchloom.personalization.ranker import Group, Ranker, Training, interval, learn, ndcg
from searchloom.personalization.trees import Trees


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_scores_are_those_of_lightgbm_with_and_without_unknown_values(missing: float, tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    lines = generator.normal(size=(400, 5)).astype(np.float32)
    target = lines[:, 0] * lines[:, 1] + np.abs(lines[:, 2])
    lines[generator.random(lines.shape) < missing] = np.nan
    lines[:, 4] = 0
    booster = lightgbm.train(
        {"objective": "regression", "num_leaves": 15, "verbosity": -1, "num_threads": 1},
        lightgbm.Dataset(lines, label=target), 40,
    )  # fmt: skip
    asked = np.concatenate([lines, np.full((1, 5), np.nan, np.float32), np.zeros((1, 5), np.float32)])
    Trees.of(booster.dump_model()).save(tmp_path / "trees.npz")
    assert np.allclose(Trees.load(tmp_path / "trees.npz").scores(asked), booster.predict(asked, num_threads=1))


def groups(signal: float, count: int = 150) -> list[Group]:
    """Groups whose first feature tells the relevant ones as far as ``signal`` goes; the plain order knows a little."""
    generator = np.random.default_rng(8)
    found = []
    for person in range(count):
        labels = (generator.random(30) < 0.15).astype(np.int32)
        lines = generator.normal(size=(30, len(FEATURES))).astype(np.float32)
        lines[:, 0] += signal * labels
        found.append(Group(person, np.arange(30), lines, labels, generator.normal(size=30) + 0.7 * labels))
    return found


def test_a_forest_that_helps_gets_weight_and_one_that_learned_noise_gets_none(tmp_path: Path) -> None:
    training = Training(trees=30, least_in_leaf=20)
    helpful, noise = learn(groups(2.0), training=training), learn(groups(0.0), training=training)
    assert helpful.weight > 0
    assert helpful.evidence.low > 0
    assert noise.weight == 0
    plain = np.array([1.0, 3.0, 2.0])
    assert np.argsort(-noise.scores(np.zeros((3, len(FEATURES)), np.float32), plain)).tolist() == [1, 2, 0]
    helpful.save(tmp_path)
    again = Ranker.load(tmp_path)
    group = groups(2.0)[0]
    assert np.array_equal(again.scores(group.lines, group.plain), helpful.scores(group.lines, group.plain))


def test_of_a_few_groups_nothing_is_learned() -> None:
    assert learn(groups(2.0, 10)).weight == 0


def test_a_ranker_of_other_features_is_refused(tmp_path: Path) -> None:
    learn([]).save(tmp_path)
    card = tmp_path / "ranker.json"
    card.write_text(card.read_text().replace('"ease_all"', '"ease_none"'))
    with pytest.raises(Terminal, match="train it again"):
        Ranker.load(tmp_path)


def test_the_metric_is_trec_evals() -> None:
    generator = np.random.default_rng(5)
    for _ in range(20):
        labels = (generator.random(25) < 0.3).astype(np.int32)
        if not labels.any():
            continue
        scores = generator.permutation(25).astype(float)
        judged = {"q": {str(place): int(label) for place, label in enumerate(labels)}}
        run = {"q": [str(place) for place in np.argsort(-scores)]}
        assert ndcg(scores, labels) == pytest.approx(per_query(judged, run)["ndcg@10"]["q"])


def test_lists_of_one_person_do_not_narrow_the_interval() -> None:
    gains = np.random.default_rng(6).normal(0.1, 1.0, 50)
    low, high = interval(gains, range(50))
    again = interval(np.repeat(gains, 9), np.repeat(range(50), 9).tolist())
    assert again == pytest.approx((low, high), abs=1e-9)
