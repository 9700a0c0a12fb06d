"""A sync whose process is killed at a request: ``python -m tests.behaviour.dying CORPUS before|after NUMBER``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator

from searchloom import settings as configuration
from searchloom.behaviour.sync import sync
from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_rows import Outcome, Row, Table
from searchloom.cloud.oss import Oss


class Dying(Airec):
    """Dies before its n-th request, or after the answer came."""

    requests = 0

    def push(self, table: Table, rows: Iterable[Row]) -> Iterator[Outcome]:
        _, _, moment, number = sys.argv
        self.requests += 1
        last = self.requests == int(number)
        if last and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcomes = list(super().push(table, rows))
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield from outcomes


if __name__ == "__main__":
    here = configuration.load()
    sync(Oss(here.oss), Dying(here.acs, here.airec), corpus=sys.argv[1], run_id="dying", settings=here)
