"""``python -m localcloud --port N --state DIR``: serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from localcloud.app import create_app
from localcloud.credentials import Keyring

# Large bodies come in pieces of up to this size: fewer steps through Python than with the default of 408 KiB.
_BUFFER_BYTES = 1024 * 1024
SECRET_VARIABLE = "LOCALCLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - the variable's name
# DashScope's; without it the key is computed from the secret.
API_KEY_VARIABLE = "LOCALCLOUD_API_KEY"
# The engine that DescribeInstance of Elasticsearch describes: http://user:password@host:port.
ELASTICSEARCH_VARIABLE = "LOCALCLOUD_ELASTICSEARCH_URL"


def main() -> int:
    """Parse the arguments and serve; returns the exit status."""
    parser = argparse.ArgumentParser(prog="localcloud", description="Alibaba Cloud services on loopback.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps everything across restarts")
    parser.add_argument("--access-key-id", default="localcloud")
    parser.add_argument("--region", default="cn-hangzhou")
    arguments = parser.parse_args()
    secret = os.environ.get(SECRET_VARIABLE)
    if not secret:
        parser.error(f"the environment variable {SECRET_VARIABLE} is empty; set it to the access key's secret")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        keyring = Keyring(arguments.access_key_id, secret, os.environ.get(API_KEY_VARIABLE, ""))
        engine = os.environ.get(ELASTICSEARCH_VARIABLE, "")
        app = create_app(arguments.state, keyring, arguments.region, elasticsearch_url=engine)
    except RuntimeError as error:
        sys.stderr.write(f"localcloud: {error}\n")
        return 1
    uvloop.run(
        _serve(
            Server(
                app,
                arguments.host,
                arguments.port,
                interface=Interfaces.ASGI,
                http1_settings=HTTP1Settings(max_buffer_size=_BUFFER_BYTES),
            )
        )
    )
    return 0


async def _serve(server: Server) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    await server.serve()


if __name__ == "__main__":
    sys.exit(main())
