"""A sparse matrix by rows, as plain arrays: it can be memory-mapped, and read without scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Row ``r`` holds ``values[starts[r]:starts[r + 1]]`` at the columns beside them."""

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]

    @classmethod
    def empty(cls, rows: int) -> Self:
        """A matrix of ``rows`` rows that are all zero."""
        return cls(np.zeros(rows + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))

    def entries(self, rows: Ints, weights: Floats) -> tuple[NDArray[np.int32], Floats]:
        """The entries of some rows, each row times its weight: columns and values, in the order of the rows."""
        counts = self.starts[rows + 1] - self.starts[rows]
        before = np.cumsum(counts) - counts
        places = np.repeat(self.starts[rows] - before, counts) + np.arange(int(counts.sum()))
        return self.columns[places], self.values[places].astype(np.float64) * np.repeat(weights, counts)

    def summed(self, rows: Ints, weights: Floats, size: int) -> Floats:
        """The weighted sum of rows, as a dense vector of ``size`` columns."""
        columns, values = self.entries(rows, weights)
        return np.bincount(columns, values, size).astype(np.float64)  # of nothing it counts in integers

    def summed_at(self, rows: Ints, weights: Floats, wanted: Ints) -> Floats:
        """The weighted sum of rows at the ``wanted`` columns alone: its cost does not grow with the columns."""
        if not len(wanted):
            return np.zeros(0)
        columns, values = self.entries(rows, weights)
        order = np.argsort(wanted, kind="stable")
        ordered = wanted[order]
        places = np.searchsorted(ordered, columns)
        hits = (places < len(ordered)) & (ordered[np.minimum(places, len(ordered) - 1)] == columns)
        found = np.empty(len(wanted))
        found[order] = np.bincount(places[hits], values[hits], len(wanted))
        return found

    def dot(self, vector: Floats, rows: Ints) -> Floats:
        """Each of the rows times a dense vector."""
        counts = self.starts[rows + 1] - self.starts[rows]
        before = np.cumsum(counts) - counts
        places = np.repeat(self.starts[rows] - before, counts) + np.arange(int(counts.sum()))
        products = self.values[places] * vector[self.columns[places]]
        return np.bincount(np.repeat(np.arange(len(rows)), counts), products, len(rows)).astype(np.float64)


def strongest(matrix: NDArray[np.floating], keep: int, rows: Sequence[int] | Ints, size: int) -> Rows:
    """Keep the ``keep`` largest entries (by absolute value) of each row of a dense matrix over the items ``rows``.

    The result has ``size`` rows and columns; rows and columns that the dense matrix does not cover are zero.
    """
    names = np.asarray(rows, np.int64)
    width = min(keep, matrix.shape[1])
    strength = np.abs(matrix)
    kept = np.argpartition(-strength, width - 1, axis=1)[:, :width] if width else np.empty((len(names), 0), np.int64)
    kept.sort(axis=1)
    values = np.take_along_axis(matrix, kept, axis=1)
    filled = values != 0
    counts = np.zeros(size, np.int64)
    counts[names] = filled.sum(axis=1)
    order = np.argsort(names, kind="stable")
    columns = names[kept[order]][filled[order]].astype(np.int32)
    return Rows(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), columns, values[order][filled[order]].astype("f4")
    )
