"""Tables that are learned are those of their definitions."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from searchloom.personalization.fit import Limits, ease, fit
from tests.personalization.behaviour import small


def test_ease_is_its_closed_form_and_no_item_speaks_for_itself() -> None:
    dealt = (np.random.default_rng(3).random((40, 12)) < 0.3).astype(float)
    inverse = np.linalg.inv(dealt.T @ dealt + 5.0 * np.eye(12))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(ease(sp.csr_matrix(dealt), 5.0), expected)


def test_a_catalogue_beyond_what_ease_takes_is_served_by_the_popular_ones_and_the_other_sources() -> None:
    log, catalog = small(persons=60)
    model = fit(log, catalog, limits=Limits(ease_items=30, neighbours=10))
    counts = np.diff(model.liked_ease.starts)
    assert np.count_nonzero(counts) == 30
    assert counts.max() <= 10
    popular = np.argsort(-np.bincount(log.item[log.interest > 0], minlength=120), kind="stable")[:30]
    assert set(np.flatnonzero(counts)) == set(popular.tolist())
    assert np.count_nonzero(np.diff(model.followed.starts)) > 100
    assert model.factors.any(axis=1).sum() > 100
