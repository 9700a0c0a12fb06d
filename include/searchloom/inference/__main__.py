"""``python -m searchloom.inference``: serve the base embedding model at ``settings.embedding.url`` until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from urllib.parse import urlsplit

from granian.constants import Interfaces
from granian.server.embed import Server

from searchloom import settings as configuration
from searchloom.cloud.oss import Oss
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import fetch, publish_base
from searchloom.errors import SearchloomError
from searchloom.inference.handler import EmbeddingHandler, ServedModel
from searchloom.inference.service import create_app
from searchloom.settings import Settings

log = logging.getLogger(__name__)


def load_handler(settings: Settings) -> EmbeddingHandler:
    """Load the base model: from its package or folder, and noted in OSS like every other model."""
    oss = Oss(settings.oss)
    card = publish_base(oss, settings)
    # Half the cores: one short text gains little from more, and on a busy machine the threads wait for each other.
    threads = settings.embedding.threads or max(1, (os.cpu_count() or 1) // 2)
    encoder = Encoder(fetch(oss, card.version, settings.cache), threads)
    encoder.encode(["the first call is the slow one"])
    log.info("model %s is loaded: %d dimensions", card.version, card.dims)
    return EmbeddingHandler(ServedModel(card.version, card.dims), encoder.encode)


async def serve(settings: Settings) -> None:
    """Serve in this one process, so that stopping it stops everything."""
    handler = load_handler(settings)
    where = urlsplit(settings.embedding.url)
    app = create_app(handler, settings.embedding.token.get_secret_value())
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


def main() -> int:
    """Run until a signal; 1 with one sentence when the model or its store cannot be had."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(configuration.load()))
    except SearchloomError as error:
        log.error("%s", error)  # noqa: TRY400  a sentence for the operator, not a stack trace
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
