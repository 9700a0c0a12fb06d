"""Chunks that an engine refused for good: written down with the reason, so that the rest can go on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from searchloom.cloud.oss import Oss
from searchloom.engines.interface import Loader, Write


def record(write: Write, reason: str) -> dict[str, Any]:
    """One line of a dead-letter file."""
    source = write.source or {}
    about = {name: source.get(name, "") for name in ("doc_id", "key", "ordinal")}
    return {"chunk_id": write.chunk_id, "action": write.action, "seq": write.seq, "reason": reason, **about}


def write(oss: Oss, records: Sequence[dict[str, Any]], *, corpus: str, loader: Loader, index: str, seq: int) -> str:
    """Write the refused chunks of the load up to ``seq``; return the key."""
    key = f"{_prefix(corpus, loader, index)}{seq}.jsonl"
    lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in records)
    oss.put(key, lines.encode(), content_type="application/x-ndjson")
    return key


def read(oss: Oss, *, corpus: str, loader: Loader, index: str) -> Iterator[dict[str, Any]]:
    """Every chunk that this engine ever refused for this index."""
    for entry in oss.list(_prefix(corpus, loader, index)):
        for line in oss.get(entry.key).splitlines():
            yield json.loads(line)


def clear(oss: Oss, *, corpus: str, loader: Loader, index: str) -> None:
    """Forget what was refused: a load that starts from nothing says it all anew."""
    oss.delete_many([entry.key for entry in oss.list(_prefix(corpus, loader, index))])


def _prefix(corpus: str, loader: Loader, index: str) -> str:
    return f"dead_letters/{corpus}/{loader.name}/{index}/"
