"""One deadline per request, which every call on its behalf inherits."""

from __future__ import annotations

import time
from dataclasses import dataclass

from searchloom.errors import Transient


class DeadlineExceeded(Transient):
    """The time of the request is up."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the moment ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def remaining_s(self) -> float:
        """Seconds left; ``DeadlineExceeded`` when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the time of this request is up; try again, or ask for less")
        return left

    def share(self, fraction: float) -> Deadline:
        """Return an earlier moment: that part of the time left, so that somebody can still step in afterwards."""
        return Deadline.after(self.remaining_s() * fraction)

    def earlier(self, seconds: float) -> Deadline:
        """Return this moment, or the one ``seconds`` from now if that is earlier."""
        return min(self, Deadline.after(seconds), key=lambda deadline: deadline.at)
