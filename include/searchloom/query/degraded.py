"""What an answer had to do without."""

from __future__ import annotations

from dataclasses import dataclass, field

from searchloom.query import metrics


@dataclass(slots=True)
class Degradable:
    """An answer under way; a part that is down or late is left out of it and named, never fatal."""

    degraded: list[str] = field(default_factory=list, kw_only=True)
    """The parts that were left out, each once, in the order in which that was found out."""

    def leave_out(self, part: str) -> None:
        """Note that a part is missing from the answer."""
        if part not in self.degraded:
            self.degraded.append(part)
            metrics.degraded(part)
