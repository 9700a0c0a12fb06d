"""The real embedding service around a tiny model: words hashed to dimensions."""

from __future__ import annotations

import asyncio
import re
import sys
from zlib import crc32

import numpy as np
from granian.constants import Interfaces
from granian.server.embed import Server

from searchloom.inference.handler import EmbeddingHandler, ServedModel
from searchloom.inference.service import create_app

VERSION = "tiny-1"
DIMS = 64
TOKEN = "embedding-token"


def encode(texts: list[str]) -> np.ndarray:
    """Texts that share words are near each other; ``[n, DIMS] float32``, unit length."""
    rows = np.full((len(texts), DIMS), 0.01, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in re.findall(r"[a-z]+|[^\x00-\x7f]", text.lower()):
            row[crc32(word.encode()) % DIMS] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


async def main(port: int) -> None:
    """Serve until killed."""
    app = create_app(EmbeddingHandler(ServedModel(VERSION, DIMS), encode), TOKEN)
    await Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, websockets=False).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
