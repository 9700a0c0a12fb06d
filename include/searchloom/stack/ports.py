"""Free ports on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from searchloom.errors import UsageError

LOOPBACK = "127.0.0.1"
TRIES = 100


def is_free(port: int) -> bool:
    """Tell whether a server could listen on ``port`` of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a restart do not count as a busy port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def find_free(preferred: int, avoid: Iterable[int] = ()) -> int:
    """Return ``preferred`` if it is free and not in ``avoid``, else the next one that is.

    Raises ``UsageError`` when a hundred ports in a row are busy.
    """
    taken = set(avoid)
    for port in range(preferred, preferred + TRIES):
        if port not in taken and is_free(port):
            return port
    raise UsageError(f"no free port between {preferred} and {preferred + TRIES - 1} on {LOOPBACK}; stop what uses them")
