"""What other processes have taken, read from the event log in OSS every now and then: new files only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from searchloom.errors import SearchloomError
from searchloom.query.events.schema import read_line
from searchloom.query.recommend.behaviour import Behaviour

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

log = logging.getLogger(__name__)

REFRESH_S = 30.0
_MAX_LINES = 500_000
"""Of one look: of a larger log the newest files are read."""


class LogReader:
    """Feeds ``Behaviour`` from the newest days of the log."""

    def __init__(self, open_store: Callable[[], Oss], behaviour: Behaviour, *, days: int) -> None:
        self._open_store = open_store
        self._behaviour = behaviour
        self._days = days
        self._read: set[str] = set()
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to follow the log, in a thread of its own."""
        if self._days:
            threading.Thread(target=self._run, name="event-log", daemon=True).start()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()

    def refresh(self, oss: Oss) -> int:
        """Read the files that have come since the last look; returns how many events they held."""
        today = datetime.now(UTC).date()
        days = [(today - timedelta(days=age)).isoformat() for age in range(self._days)]
        keys = [entry.key for day in days for entry in reversed(list(oss.list(f"events/dt={day}/")))]
        count = 0
        for key in keys:
            if key in self._read or count >= _MAX_LINES or self._stop.is_set():
                continue
            for line in oss.get(key).splitlines():
                try:
                    self._behaviour.learn(read_line(line))
                except ValueError:
                    continue  # whoever trains on the log counts them and says so
                count += 1
        self._read = set(keys)
        return count

    def _run(self) -> None:
        oss: Oss | None = None
        failing = False
        while not self._stop.is_set():
            try:
                oss = oss or self._open_store()
                self.refresh(oss)
                failing = False
            except SearchloomError as error:
                if not failing:
                    log.warning("popularity stays as it is, for the event log cannot be read: %s", error)
                failing = True
            self._stop.wait(REFRESH_S)
