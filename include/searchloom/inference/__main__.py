"""``python -m searchloom.inference``: serve one model until SIGTERM; the port opens when it is loaded and warm.

Without arguments it is the base embedding model, at ``settings.embedding.url``. With ``--model FOLDER --version V`` it
is the model in that folder, at ``--host`` and ``--port``: so it runs in a container of PAI-EAS, whose gateway asks for
the token.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from searchloom import serving
from searchloom.cloud.oss import Oss
from searchloom.embedding.model import fetch, publish_base
from searchloom.inference import models
from searchloom.inference.service import create_app
from searchloom.settings import Settings


def make_app(settings: Settings) -> FastAPI:
    """Load the base model, noted in OSS like every other one, and put the service around it."""
    oss = Oss(settings.oss)
    card = publish_base(oss, settings)
    handler = models.load(fetch(oss, card.version, settings.cache), card, settings.embedding.threads)
    return create_app(handler, settings.embedding.token.get_secret_value())


def main() -> int:
    """Run until a signal; returns the exit status, 1 for a model that is not what its card says."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    parser = argparse.ArgumentParser(prog="python -m searchloom.inference", description=__doc__)
    parser.add_argument("--model", type=Path, help="folder with the weights and card.json")
    parser.add_argument("--version", default="", help="that the card must name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=0, help="0: half the cores")
    arguments = parser.parse_args()
    if arguments.model is None:
        return serving.run(make_app, lambda settings: settings.embedding.url)

    def start() -> tuple[Any, str]:
        card = models.read_card(arguments.model, arguments.version)
        handler = models.load(arguments.model, card, arguments.threads)
        return create_app(handler, ""), f"http://{arguments.host}:{arguments.port}"

    return serving.serve(start)


if __name__ == "__main__":
    sys.exit(main())
