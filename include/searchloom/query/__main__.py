"""``python -m searchloom.query``: serve at ``settings.query.url`` until SIGTERM.

Several of these processes may share the port; the kernel spreads the connections.
"""

from __future__ import annotations

import logging
import sys

import stamina.instrumentation

from searchloom import serving
from searchloom.query import audit
from searchloom.query.app import create_app
from searchloom.query.middleware import access


def configure_logging() -> None:
    """Log sentences to stderr, and the access log as JSON lines to stdout."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "oss2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stamina.instrumentation.set_on_retry_hooks([])  # what fails in the end is logged, once
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(message)s"))
    for logger in (access, audit.log):
        logger.handlers = [lines]
        logger.propagate = False


def main() -> int:
    """Run until a signal."""
    configure_logging()
    return serving.run(create_app, lambda settings: settings.query.url)


if __name__ == "__main__":
    sys.exit(main())
