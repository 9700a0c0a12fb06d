"""The partition keys of the asset-driven DAGs: ``{corpus}|{day}``, or ``{corpus}|all`` for every day at once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from searchloom.errors import UsageError
from searchloom.settings import CORPUS_PATTERN

HOUR = "%Y-%m-%dT%H"
"""Format of an hour's key."""

ALL = "all"
"""In place of the day: whatever is outstanding, of any day."""


def composite(corpus: str, partition: str | None) -> str:
    """Return the key of a corpus and a day; no day means all of them."""
    return f"{corpus}|{partition or ALL}"


def split(key: str) -> tuple[str, str | None]:
    """Return corpus and day of a composite key; the day is None for all of them.

    Raises ``UsageError`` for a key of another shape.
    """
    corpus, bar, partition = key.partition("|")
    if not bar or not re.match(CORPUS_PATTERN, corpus):
        raise UsageError(f"partition key {key!r} is not CORPUS|YYYY-MM-DD; trigger with, for example, 'default|{ALL}'")
    return corpus, None if partition == ALL else day(partition).isoformat()


def day(text: str) -> date:
    """Parse ``YYYY-MM-DD``; ``UsageError`` names what is not one."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise UsageError(f"{text!r} is not a day; write it as YYYY-MM-DD, for example 2026-11-20") from error


def end_of(partition: str) -> datetime:
    """Return the moment at which a day's partition ends (the next midnight, UTC)."""
    return datetime.combine(day(partition) + timedelta(days=1), time(), UTC)


def last_hour(partition: str) -> str:
    """Return the key of a day's last hour: what ends with it ends with the day."""
    return datetime.combine(day(partition), time(23)).strftime(HOUR)


def end_of_hour(partition: str) -> datetime:
    """Return the moment at which an hour's partition (``YYYY-MM-DDTHH``) ends; ``UsageError`` for another key."""
    try:
        return datetime.strptime(partition, HOUR).replace(tzinfo=UTC) + timedelta(hours=1)
    except ValueError as error:
        raise UsageError(
            f"{partition!r} is not an hour; write it as YYYY-MM-DDTHH, for example 2026-11-20T13"
        ) from error
