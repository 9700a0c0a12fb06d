"""What is kept of one person: the latest items, and what of the earlier ones is left as affinities and a mean vector.

Every value is rounded as it comes in to what the store can hold, so that a person who comes out of the store is the
same, to the bit, as one that was made from the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

HISTORY = 100
"""Items remembered one by one."""

AFFINITIES = 8
"""Categories remembered for good."""

_LAST = 2**32 - 1
_STEP = 16.0  # interests are kept in sixteenths
_MOST = 127 / _STEP
_FADING = 0.98  # of an affinity and of the mean, with each event


@dataclass(slots=True)
class Person:
    """Items oldest first, each once, with the interest; ``first`` and ``last`` are times in seconds since 1970."""

    items: list[str] = field(default_factory=list)
    interests: list[float] = field(default_factory=list)
    events: int = 0
    first: int = 0
    last: int = 0
    categories: dict[str, float] = field(default_factory=dict)
    mean: NDArray[np.float32] | None = None

    def remember(
        self, item_id: str, time: float, interest: float, category: str = "", vector: NDArray[np.float32] | None = None
    ) -> None:
        """Take in one event; the strongest interest in an item stays, a no takes the place of a yes."""
        kept = round(min(max(interest, -_MOST), _MOST) * _STEP) / _STEP
        if item_id in self.items:
            place = self.items.index(item_id)
            before = self.interests[place]
            kept = max(before, kept) if kept > 0 else kept
            del self.items[place], self.interests[place]
        self.items.append(item_id)
        self.interests.append(kept)
        del self.items[:-HISTORY], self.interests[:-HISTORY]
        moment = min(max(int(time), 0), _LAST)
        self.first = min(self.first, moment) if self.events else moment
        self.last = max(self.last, moment)
        self.events = min(self.events + 1, _LAST)
        if interest > 0:
            self._lean(category, kept)
            self._mix(vector, kept)

    def forget(self, item_id: str) -> None:
        """Leave out one item, as if it had not been dealt with; the affinities keep what it added."""
        if item_id in self.items:
            place = self.items.index(item_id)
            del self.items[place], self.interests[place]

    def _lean(self, category: str, amount: float) -> None:
        if not category:
            return
        faded = {name: value * _FADING for name, value in self.categories.items()}
        faded[category] = faded.get(category, 0.0) + amount
        strongest = sorted(faded.items(), key=lambda each: (-each[1], each[0]))[:AFFINITIES]
        self.categories = {name: float(np.float16(value)) for name, value in strongest}

    def _mix(self, vector: NDArray[np.float32] | None, amount: float) -> None:
        if vector is None or not vector.any():
            return
        before = np.zeros_like(vector) if self.mean is None else self.mean
        self.mean = (before * _FADING + vector * amount).astype(np.float16).astype(np.float32)
