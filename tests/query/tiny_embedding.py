"""The real model service around tiny models: words hashed to dimensions, and a reranker that counts shared words.

``python -m tests.query.tiny_embedding PORT [VERSION DIMS]``; 0 dimensions: the reranker.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from zlib import crc32

import numpy as np
from granian.constants import Interfaces
from granian.server.embed import Server

from searchloom.inference.handler import EmbeddingHandler, RerankHandler, ServedModel
from searchloom.inference.service import create_app

VERSION = "tiny-1"
DIMS = 64
TOKEN = "embedding-token"
RERANKER = "tiny-reranker"


def encode(texts: list[str]) -> np.ndarray:
    """Texts that share words are near each other; ``[n, DIMS] float32``, unit length."""
    return _encode(texts, VERSION, DIMS)


def encoder(version: str, dims: int) -> Callable[[list[str]], np.ndarray]:
    """Return another model: its vectors have nothing to do with those of the first."""
    return lambda texts: _encode(texts, version, dims)


def score(pairs: list[tuple[str, str]]) -> np.ndarray:
    """The share of the passage's words that the query holds, the last ones of the passage counting most."""
    return np.array([_shared(set(_words(query)), _words(passage)) for query, passage in pairs], dtype=np.float32)


def _shared(query: set[str], passage: list[str]) -> float:
    return sum((place + 1) * (word in query) for place, word in enumerate(passage)) / (len(passage) + 1)


def _encode(texts: list[str], version: str, dims: int) -> np.ndarray:
    salt = "" if version == VERSION else version
    rows = np.full((len(texts), dims), 0.01, dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in _words(text):
            row[crc32((salt + word).encode()) % dims] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|[^\x00-\x7f]", text.lower())


async def main(port: int, version: str = VERSION, dims: str = str(DIMS)) -> None:
    """Serve until killed."""
    length = int(dims)
    handler: EmbeddingHandler | RerankHandler = (
        EmbeddingHandler(ServedModel(version, length), encoder(version, length))
        if length
        else RerankHandler(ServedModel(version), score)
    )
    app = create_app(handler, TOKEN)
    await Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, websockets=False).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
