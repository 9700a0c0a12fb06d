"""A corpus in a real object store, committed by hand: manifest, chunk files and vectors as the contract has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud import lease
from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest
from tests.engines.chunks import DIMS

MODEL = "model-1"
DAY = "2026-11-20"
_NOW = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass
class SmallCorpus:
    """Documents by the names that a test gives them."""

    oss: Oss
    name: str = "tests"
    high: dict[str, int] = field(default_factory=dict)  # the most chunks that each document ever had

    def commit(self, *, without_vectors: tuple[str, ...] = (), **documents: int | dict[str, Any] | None) -> int:
        """Commit documents: a number of chunks, or fields of one chunk, or None for a deleted one; return the seq."""
        current = manifest.read(self.oss, self.name)
        seq = current.seq + 1
        rows, parts = [], []
        for name, content in documents.items():
            count = 1 if isinstance(content, dict) else content or 0
            self.high[name] = max(self.high.get(name, 0), count)
            rows.append(self._row(name, seq, count, deleted=content is None))
            fields = content if isinstance(content, dict) else {}
            parts += [self._chunk(name, ordinal, seq, fields) for ordinal in range(count)]
        key = f"chunks/{self.name}/partition={DAY}/part-{seq}-0.parquet"
        schemas.write_table(self.oss, key, pa.Table.from_pylist(parts, schemas.CHUNKS), schemas.CHUNKS)
        texts = [part["content_sha256"] for part in parts if part["source_id"] not in without_vectors]
        self.embed(*texts)
        with lease.hold(self.oss, manifest.lease_key(self.name), "test") as holding:
            table = pa.Table.from_pylist(rows, schemas.MANIFEST)
            record = {"parts": [key]}
            return manifest.append(self.oss, self.name, current, table, run_tag="run", record=record, lease=holding)

    def embed(self, *hashes: str) -> None:
        """Write the vectors of these texts."""
        for digest in hashes:
            rows = [{"content_sha256": digest, "embedding": [int(digest[n], 16) + 1.0 for n in range(DIMS)]}]
            key = f"vectors/{self.name}/{MODEL}/shard={digest[:2]}/part-{digest}.parquet"
            schemas.write_table(self.oss, key, pa.Table.from_pylist(rows, schemas.vectors(DIMS)), schemas.vectors(DIMS))

    def text_hash(self, name: str, ordinal: int, seq: int) -> str:
        """Name of the vector of a chunk made by ``commit`` from a number."""
        return schemas.content_sha256(f"{name} {ordinal} {seq}")

    def chunk_id(self, name: str, ordinal: int = 0) -> str:
        """Id of a chunk."""
        return schemas.chunk_id(schemas.doc_id(self.name, name), ordinal)

    def _chunk(self, name: str, ordinal: int, seq: int, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            "chunk_id": self.chunk_id(name, ordinal),
            "doc_id": schemas.doc_id(self.name, name),
            "source_id": name,
            "key": f"{name}.txt",
            "ordinal": ordinal,
            "title": name,
            "section": "",
            "text": f"chunk {ordinal} of {name} as of {seq}",
            "language": "en",
            "mime": "text/plain",
            "tenant": "default",
            "groups": [schemas.EVERYONE],
            "last_modified": _NOW,
            "content_sha256": self.text_hash(name, ordinal, seq),
            "seq": seq,
        } | fields

    def _row(self, name: str, seq: int, count: int, *, deleted: bool) -> dict[str, Any]:
        return {
            "doc_id": schemas.doc_id(self.name, name),
            "source_id": name,
            "key": f"{name}.txt",
            "etag": "",
            "size": 1,
            "last_modified": _NOW,
            "content_sha256": "",
            "mime": "text/plain",
            "language": "en",
            "tenant": "default",
            "groups": [schemas.EVERYONE],
            "state": manifest.DELETED if deleted else manifest.ACTIVE,
            "reason": "",
            "seq": seq,
            "partition": DAY,
            "chunk_count": count,
            "chunk_high": self.high[name],
        }
