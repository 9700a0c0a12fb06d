"""``python -m searchloom.inference``: serve the base embedding model at ``settings.embedding.url`` until SIGTERM."""

from __future__ import annotations

import logging
import os
import sys

from fastapi import FastAPI

from searchloom import serving
from searchloom.cloud.oss import Oss
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import fetch, publish_base
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


def make_app(settings: Settings) -> FastAPI:
    """Load the model and put the service around it."""
    return create_app(load_handler(settings), settings.embedding.token.get_secret_value())


def main() -> int:
    """Run until a signal."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return serving.run(make_app, lambda settings: settings.embedding.url)


if __name__ == "__main__":
    sys.exit(main())
