"""Vectors of items' texts where no embedding model has made any, and fewer dimensions where one has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from searchloom.personalization.catalog import Item

DIMS = 64
_WORD = re.compile(r"\w+")
_MOST_WORDS = 20_000
_SEED = 7


def latent_vectors(items: Sequence[Item], dims: int = DIMS) -> NDArray[np.float32]:
    """Latent semantic vectors (TF-IDF, then singular values) of titles, texts and tags; unit length, or zeros."""
    counted = [Counter(_WORD.findall(" ".join((item.title, item.text, *item.kinds)).lower())) for item in items]
    spread = Counter(word for words in counted for word in words)
    # A word of one item alone says nothing of likeness.
    chosen = [word for word, count in spread.most_common(_MOST_WORDS) if count > 1]
    place = {word: number for number, word in enumerate(chosen)}
    rows, columns, values = [], [], []
    for row, words in enumerate(counted):
        for word, count in words.items():
            if word in place:
                rows.append(row)
                columns.append(place[word])
                values.append((1 + np.log(count)) * np.log(len(items) / spread[word]))
    table = sp.csr_matrix((values, (rows, columns)), (len(items), len(chosen)), dtype=np.float64)
    width = min(dims, min(table.shape) - 1)
    if width < 1 or not table.nnz:
        return np.zeros((len(items), 1), np.float32)
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table = sp.diags(1 / np.maximum(lengths, 1e-9)) @ table
    start = np.random.default_rng(_SEED).standard_normal(min(table.shape))
    left, strength, _ = svds(table, k=width, v0=start)
    return unit(left * strength)


def reduced(vectors: NDArray[np.float32], dims: int = DIMS) -> NDArray[np.float32]:
    """The principal components of embeddings, unit length again; fewer dimensions stay as they are."""
    if vectors.shape[1] <= dims:
        return unit(vectors)
    filled = vectors[vectors.any(axis=1)].astype(np.float64)
    _, directions = np.linalg.eigh(filled.T @ filled)
    return unit(vectors @ directions[:, ::-1][:, :dims])


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Each row at length 1; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)
