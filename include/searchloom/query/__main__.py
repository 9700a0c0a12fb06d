"""``python -m searchloom.query``: serve at ``settings.query.url`` until SIGTERM.

One process, no supervisor above it: what is stopped is stopped, even by SIGKILL. Several of them may share the port,
and the kernel spreads the connections.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from urllib.parse import urlsplit

import stamina.instrumentation
from granian.constants import Interfaces
from granian.server.embed import Server

from searchloom import settings as configuration
from searchloom.errors import SearchloomError
from searchloom.query.app import create_app
from searchloom.query.middleware import access
from searchloom.settings import Settings

log = logging.getLogger(__name__)


def configure_logging() -> None:
    """Log sentences to stderr, and the access log as JSON lines to stdout."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "elastic_transport", "opensearch"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stamina.instrumentation.set_on_retry_hooks([])  # what fails in the end is logged, once
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    access.handlers = [lines]
    access.propagate = False


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; searches under way are answered first."""
    where = urlsplit(settings.query.url)
    server = Server(
        create_app(settings),
        address=where.hostname or "127.0.0.1",
        port=where.port or 80,
        interface=Interfaces.ASGI,
        websockets=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


def main() -> int:
    """Run until a signal; 1 with one sentence when the settings do not hold."""
    configure_logging()
    try:
        asyncio.run(serve(configuration.load()))
    except SearchloomError as error:
        log.error("%s", error)  # noqa: TRY400  a sentence for the operator, not a stack trace
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
