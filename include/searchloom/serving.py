"""How a service of ours runs: one process, no supervisor above it, so that what is stopped is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from granian.constants import Interfaces
from granian.server.embed import Server

from searchloom import settings as configuration
from searchloom.errors import SearchloomError
from searchloom.settings import Settings

log = logging.getLogger(__name__)


def run(make_app: Callable[[Settings], Any], url_of: Callable[[Settings], str]) -> int:
    """Serve an ASGI application at its URL until SIGTERM or SIGINT; requests under way are answered first.

    Returns the exit status: 1, after one sentence, when the settings or what the application stands on do not hold.
    """

    def start() -> tuple[Any, str]:
        settings = configuration.load()
        return make_app(settings), url_of(settings)

    return serve(start)


def serve(start: Callable[[], tuple[Any, str]]) -> int:
    """Serve the application and URL that ``start`` makes; see ``run``."""
    try:
        asyncio.run(_serve(*start()))
    except SearchloomError as error:
        log.error("%s", error)  # noqa: TRY400  a sentence for the operator, not a stack trace
        return 1
    return 0


async def _serve(app: Any, url: str) -> None:
    where = urlsplit(url)
    server = Server(
        app,
        address=where.hostname or "127.0.0.1",
        port=where.port or 80,
        interface=Interfaces.ASGI,
        websockets=False,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()
