"""How far people look: estimated from what they clicked."""

from __future__ import annotations

import numpy as np

from searchloom.personalization.examination import propensities


def test_propensities_come_near_to_those_that_made_the_clicks() -> None:
    lot = np.random.default_rng(4)
    pairs = np.repeat(np.arange(60), 5)
    positions = np.tile(np.arange(5), 60)
    relevance, seen = lot.uniform(0.1, 0.9, 60), np.array([1.0, 0.6, 0.4, 0.3, 0.2])
    shown = np.full(300, 400.0)
    clicked = lot.binomial(400, relevance[pairs] * seen[positions]).astype(float)
    assert np.abs(propensities(pairs, positions, shown, clicked) - seen).max() < 0.05
