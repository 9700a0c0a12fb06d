"""``python -m searchloom.query``: serve at ``settings.query.url`` until SIGTERM.

Several of these processes may share the port; the kernel spreads the connections.
"""

from __future__ import annotations

import argparse
import logging
import sys

import stamina.instrumentation
from fastapi import FastAPI

from searchloom import serving
from searchloom.query import audit
from searchloom.query.app import create_app
from searchloom.query.logs import JsonLines
from searchloom.query.middleware import access
from searchloom.settings import Settings


def configure_logging() -> None:
    """Log JSON lines: sentences to stderr, the access log to stdout."""
    sentences = logging.StreamHandler(sys.stderr)
    sentences.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[sentences])
    for chatty in ("httpx", "oss2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stamina.instrumentation.set_on_retry_hooks([])  # what fails in the end is logged, once
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    for logger in (access, audit.log):
        logger.handlers = [lines]
        logger.propagate = False


def drain(app: FastAPI) -> float:
    """Be ready no longer; return the seconds for which requests are still taken."""
    app.state.draining = True
    settings: Settings = app.state.settings
    return settings.query.drain_s


def main() -> int:
    """Run until a signal. There are no options: everything is a setting."""
    argparse.ArgumentParser(prog="python -m searchloom.query", description=__doc__).parse_args()
    configure_logging()
    return serving.run(create_app, lambda settings: settings.query.url, drain)


if __name__ == "__main__":
    sys.exit(main())
