"""How often people look at each position of a list.

The position-based model: P(click) = P(seen at this position) x P(relevant). The first factor is estimated from the log
itself, by expectation maximisation over all pairs (such as query and document) that were shown (Wang et al., "Position
bias estimation for unbiased learning to rank in personal search", WSDM 2018), and held near 1/position where a position
was rarely shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PRIOR_SHOWN = 50.0  # impressions that the prior propensity of a position counts for
_LEAST_PROPENSITY = 0.1  # caps the weight of one click at 10
_PRIOR_RELEVANCE, _PRIOR_PAIR = 0.1, 1.0
_ROUNDS = 30


def propensities(
    pairs: NDArray[np.int64], positions: NDArray[np.int64], shown: NDArray[np.float64], clicked: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Estimate P(seen) of positions 0, 1, ... from rows of (pair, position, times shown, times clicked).

    The first position is seen always; nothing is below ``_LEAST_PROPENSITY``.
    """
    places = int(positions.max(initial=0)) + 1
    prior = 1 / np.arange(1.0, places + 1)
    seen, count = prior.copy(), int(pairs.max(initial=-1)) + 1
    relevance = np.full(count, _PRIOR_RELEVANCE)
    shown_at = np.bincount(positions, shown, places) + _PRIOR_SHOWN
    shown_of = np.bincount(pairs, shown, count) + _PRIOR_PAIR
    for _ in range(_ROUNDS):
        both = seen[positions] * relevance[pairs]
        unclicked = (shown - clicked) / np.maximum(1 - both, 1e-9)
        was_seen = clicked + unclicked * (seen[positions] - both)
        was_relevant = clicked + unclicked * (relevance[pairs] - both)
        seen = (np.bincount(positions, was_seen, places) + _PRIOR_SHOWN * prior) / shown_at
        relevance = (np.bincount(pairs, was_relevant, count) + _PRIOR_PAIR * _PRIOR_RELEVANCE) / shown_of
        relevance *= seen[0]  # only the product is known: the first position is the measure
        seen /= seen[0]
    return np.clip(seen, _LEAST_PROPENSITY, 1.0)
