"""Chunks as the loader writes them, for the tests of the engines."""

from __future__ import annotations

from typing import Any

from searchloom.engines.interface import Write
from searchloom.schemas import EVERYONE, chunk_id, doc_id

DIMS = 4


def source(document: str = "a", ordinal: int = 0, seq: int = 1, **fields: Any) -> dict[str, Any]:
    """Fields of a chunk of the document that the test calls ``document``."""
    return {
        "doc_id": doc_id("tests", document),
        "source_id": document,
        "key": f"{document}.txt",
        "ordinal": ordinal,
        "title": "",
        "section": "",
        "text": f"words of {document}",
        "language": "en",
        "mime": "text/plain",
        "tenant": "default",
        "groups": [EVERYONE],
        "last_modified": 1_700_000_000_000,
        "content_sha256": "0" * 64,
        "seq": seq,
        "embedding": [1.0, 0.5, 0.25, 0.125],
    } | fields


def index(document: str = "a", ordinal: int = 0, seq: int = 1, **fields: Any) -> Write:
    """Write a chunk."""
    return Write("index", identity(document, ordinal), seq, source(document, ordinal, seq, **fields))


def delete(document: str = "a", ordinal: int = 0, seq: int = 2) -> Write:
    """Delete a chunk."""
    return Write("delete", identity(document, ordinal), seq)


def identity(document: str, ordinal: int = 0) -> str:
    """Id of a chunk of a test's document."""
    return chunk_id(doc_id("tests", document), ordinal)
