"""Vectors of items' words, for items that nobody has dealt with yet: no training, so a new item has one at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DIMS = 64
_WORD = re.compile(r"\w+")
_FIELDS = ("title", "tags", "category_path", "channel", "features", "content")
_MOST_WORDS = 60
# Words that say what kind of thing an item is count more than those of its text.
_WEIGHTS = {"title": 1.0, "tags": 2.0, "category_path": 2.0, "channel": 1.0, "features": 2.0, "content": 0.5}


def vector_of(fields: Mapping[str, str]) -> NDArray[np.float32]:
    """A random projection of an item's words, unit length; zeros for an item without words."""
    found = np.zeros(DIMS, np.float32)
    for name in _FIELDS:
        for word in _WORD.findall(fields.get(name, "").lower())[:_MOST_WORDS]:
            found += _WEIGHTS[name] * _direction(word)
    length = float(np.linalg.norm(found))
    return found / np.float32(length) if length else found


@lru_cache(maxsize=50_000)
def _direction(word: str) -> NDArray[np.float32]:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).choice(np.array([-1.0, 1.0], np.float32), DIMS)
