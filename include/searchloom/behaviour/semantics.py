"""What a document is about as words that AIRec can take: a few codes that documents of like meaning share.

A code is which side of some fixed random planes the document's vector lies on (locality-sensitive hashing): it needs
no training and no other document, so that one document can be sent by itself, and stays as it is while the model does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CODES = 8
_PLANES = 6  # of one code; two vectors at 45 degrees share it in one of six cases, unrelated ones in one of sixty
_SEED = 7


class Semantics:
    """Codes of vectors of ``dims`` dimensions."""

    def __init__(self, dims: int) -> None:
        self._planes = np.random.default_rng(_SEED).standard_normal((dims, CODES * _PLANES)).astype(np.float32)
        self._weights = 1 << np.arange(_PLANES)

    def words(self, vector: NDArray[np.float32]) -> str:
        """The codes of a vector, joined by commas: ``sem0x1f,sem1x03,...``."""
        sides = (vector @ self._planes > 0).reshape(CODES, _PLANES)
        return ",".join(f"sem{place}x{int(code):02x}" for place, code in enumerate(sides @ self._weights))
