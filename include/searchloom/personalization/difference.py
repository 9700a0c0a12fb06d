"""What may be said of a candidate that was held against a rival."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["better", "worse", "not enough evidence"]

LEAST_PERSONS = 20
TOLERANCE = 0.01
"""Of the rival's value: who loses less than this has learned from newer events at no price."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean nDCG@10 of the candidate and of its rival, and the interval of the difference, over so many persons."""

    persons: int
    candidate: float
    rival: float
    low: float
    high: float

    @property
    def enough(self) -> bool:
        """Whether anything may be said."""
        return self.persons >= LEAST_PERSONS

    @property
    def verdict(self) -> Verdict:
        """What may be said."""
        if not self.enough:
            return "not enough evidence"
        if self.low > 0:
            return "better"
        return "worse" if self.high < -TOLERANCE * self.rival else "not enough evidence"

    def figures(self, name: str) -> dict[str, float]:
        """As they stand on a card."""
        values = {"candidate": self.candidate, "rival": self.rival, "low": self.low, "high": self.high}
        return {f"{name}.persons": float(self.persons)} | {f"{name}.{what}": round(n, 5) for what, n in values.items()}

    def told(self, name: str) -> str:
        """In words; empty where nobody did anything."""
        interval = f"{self.candidate:.3f} against {self.rival:.3f} ({self.low:+.3f} to {self.high:+.3f}"
        return f"{name} nDCG@10 {interval}, {self.persons} people)" if self.persons else ""


def together(judged: Mapping[str, Difference]) -> Verdict:
    """What all figures say together: one that is clearly worse refuses."""
    verdicts = {each.verdict for each in judged.values()}
    return "worse" if "worse" in verdicts else "better" if "better" in verdicts else "not enough evidence"
