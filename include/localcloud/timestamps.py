"""Times as the ACS3 services write them: UTC, ISO 8601, whole seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def iso_time(milliseconds: int | None) -> str | None:
    """``2026-11-21T10:00:00Z``; None stays None."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds_of(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 time; one without a zone is UTC. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
