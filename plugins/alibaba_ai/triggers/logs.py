"""Remote logs that are read by polling."""

from __future__ import annotations

from collections.abc import Sequence

_TAIL = 5


def unseen(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return the lines of ``now`` that come after ``before``, where both are ends of one log that only grows."""
    for start in range(len(before)):
        overlap = len(before) - start
        if before[start:] == now[:overlap]:
            return now[overlap:]
    return now


def end_of(lines: Sequence[str]) -> str:
    """Return the last lines in one line, for a message."""
    return " | ".join(lines[-_TAIL:])
