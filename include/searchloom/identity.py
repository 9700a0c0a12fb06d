"""Ids, the group that everybody is in, and the text that a vector is made of: what needs no Arrow to be known."""

from __future__ import annotations

import hashlib

EVERYONE = "everyone"
"""The group of a document that every user of its tenant may read."""


def doc_id(corpus: str, key: str, record: str = "") -> str:
    """Id of a document, 32 hex digits: stable for (corpus, key below ``raw/{corpus}/``, record in a file of many)."""
    return hashlib.sha256(f"{corpus}\0{key}\0{record}".encode()).hexdigest()[:32]


def chunk_id(document: str, ordinal: int) -> str:
    """Id of a chunk, 32 hex digits (AIRec and both engines take it as it is)."""
    return hashlib.sha256(f"{document}\0{ordinal}".encode()).hexdigest()[:32]


def embedding_text(title: str, section: str, text: str) -> str:
    """Return the text that a chunk's vector is made of; the same online, offline and in training."""
    return "\n".join(part for part in (title, section, text) if part)


def content_sha256(text: str) -> str:
    """Return the hex digest that names a text's vector."""
    return hashlib.sha256(text.encode()).hexdigest()
