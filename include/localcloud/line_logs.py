"""What processes write, line by line with the time of each line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from localcloud.timestamps import now_ms

_MAX_LINE_BYTES = 64 * 1024


def copy_lines(source: IO[bytes], target: Path) -> None:
    """Append each line of ``source`` to the log until it ends; an overlong line becomes several."""
    with target.open("ab", buffering=0) as log:
        while line := source.readline(_MAX_LINE_BYTES):
            log.write(b"%d %s\n" % (now_ms(), line.rstrip(b"\r\n")))


def read_lines(log: Path, *, start_ms: int | None, end_ms: int | None) -> Iterator[tuple[int, str]]:
    """Time (milliseconds since the epoch) and text of the lines from ``start_ms`` to ``end_ms``, both included."""
    if not log.exists():
        return
    with log.open("rb") as file:
        for entry in file:
            time, _, text = entry.partition(b" ")
            if not entry.endswith(b"\n") or not time.isdigit():
                continue
            if (start_ms is None or int(time) >= start_ms) and (end_ms is None or int(time) <= end_ms):
                yield int(time), text[:-1].decode(errors="replace")
