"""How a service of ours runs: one process, no supervisor above it, so that what is stopped is stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from searchloom import settings as configuration
from searchloom.errors import SearchloomError
from searchloom.settings import Settings

log = logging.getLogger(__name__)


Drain = Callable[[Any], float]
"""Told that the application is going to be stopped; returns for how many seconds it still takes requests."""


def run(make_app: Callable[[Settings], Any], url_of: Callable[[Settings], str], drain: Drain | None = None) -> int:
    """Serve an ASGI application at its URL until SIGTERM or SIGINT; requests under way are answered first.

    A second signal ends the draining at once. Returns the exit status: 1, after one sentence, when the settings or
    what the application stands on do not hold.
    """

    def start() -> tuple[Any, str]:
        settings = configuration.load()
        return make_app(settings), url_of(settings)

    return serve(start, drain)


def serve(start: Callable[[], tuple[Any, str]], drain: Drain | None = None) -> int:
    """Serve the application and URL that ``start`` makes; see ``run``."""
    try:
        uvloop.run(_serve(*start(), drain))
    except SearchloomError as error:
        log.error("%s", error)  # noqa: TRY400  a sentence for the operator, not a stack trace
        return 1
    return 0


_SWITCH_S = 0.0005
"""So long a thread may keep another one of this process waiting: the event loop, which answers requests, is one."""


_GARBAGE = (20_000, 20, 20)
"""Objects, and rounds, before garbage is looked for: an answer makes thousands, which go by themselves when it is sent.

With Python's own 700 looking for it is a twentieth of what a search takes.
"""


def _settle() -> None:
    """Make ready for a long life: what there is by now stays, so the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    sys.setswitchinterval(_SWITCH_S)


async def _serve(app: Any, url: str, drain: Drain | None) -> None:
    where = urlsplit(url)
    server = Server(
        app,
        address=where.hostname or "127.0.0.1",
        port=where.port or 80,
        interface=Interfaces.ASGI,
        websockets=False,
    )
    loop = asyncio.get_running_loop()
    draining = False

    def stop() -> None:
        nonlocal draining
        if drain and not draining:
            draining = True
            log.info("asked to stop: requests under way are finished")
            loop.call_later(drain(app), server.stop)
        else:
            loop.call_soon(server.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    _settle()
    await server.serve()
