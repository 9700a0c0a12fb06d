"""Sparse rows say what the dense matrix says."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.personalization.sparse import strongest


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 12), st.integers(0, 2**16), st.integers(1, 12))
def test_sums_are_those_of_the_matrix_at_any_columns(size: int, seed: int, keep: int) -> None:
    generator = np.random.default_rng(seed)
    dense = np.round(generator.normal(size=(size, size)) * 4) / 4
    names = generator.permutation(size + 3)[:size]
    rows = strongest(dense, keep, names, size + 3)
    whole = np.zeros((size + 3, size + 3))
    for place, row in enumerate(dense):
        kept = np.argpartition(-np.abs(row), min(keep, size) - 1)[: min(keep, size)]
        whole[names[place], names[kept]] = row[kept]
    chosen = generator.permutation(size + 3)[: size // 2 + 1]
    weights = generator.normal(size=len(chosen))
    expected = weights @ whole[chosen]
    assert np.allclose(rows.summed(chosen, weights, size + 3), expected)
    wanted = generator.permutation(size + 3)[: size // 2]
    assert np.allclose(rows.summed_at(chosen, weights, wanted), expected[wanted])
    assert np.array_equal(rows.summed_at(chosen, weights, wanted), rows.summed(chosen, weights, size + 3)[wanted])
    vector = generator.normal(size=size + 3)
    assert np.allclose(rows.dot(vector, chosen), whole[chosen] @ vector)
