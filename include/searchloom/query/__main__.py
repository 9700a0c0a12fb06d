"""``python -m searchloom.query``: serve at ``settings.query.url`` until SIGTERM."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from granian import Granian
from granian.constants import Interfaces

from searchloom import settings as configuration
from searchloom.errors import SearchloomError


def main() -> int:
    """Run until a signal; 1 with one sentence when the settings do not hold."""
    try:
        settings = configuration.load()
    except SearchloomError as error:
        print(error, file=sys.stderr)  # noqa: T201  the workers set up logging
        return 1
    where = urlsplit(settings.query.url)
    Granian(
        "searchloom.query.app:application",
        factory=True,
        address=where.hostname or "127.0.0.1",
        port=where.port or 80,
        interface=Interfaces.ASGI,
        workers=settings.query.workers,
        websockets=False,
        workers_kill_timeout=10,
    ).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
