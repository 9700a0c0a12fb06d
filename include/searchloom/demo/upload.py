"""Bring the demo's corpus and its judgments into OSS; what is there already stays as it is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.demo import api_reference
from searchloom.demo.api_reference import Symbol, judged
from searchloom.errors import ServiceNotFound


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What is in OSS now (packages, documents, judged queries), and how many files had to be written for it."""

    packages: int
    documents: int
    queries: int
    written: int


def ensure(oss: Oss, corpus: str) -> Uploaded:
    """Bring the API reference of the installed packages into OSS; nothing is read or written where it is there."""
    fingerprint = api_reference.fingerprint()
    try:
        there = oss.get_json(_note_key(corpus))
    except ServiceNotFound:
        there = {}
    if there.get("fingerprint") == fingerprint:
        return Uploaded(**there["uploaded"] | {"written": 0})
    done = upload(oss, corpus, api_reference.collect())
    oss.put_json(_note_key(corpus), {"fingerprint": fingerprint, "uploaded": asdict(done)})
    return done


def upload(oss: Oss, corpus: str, documents: dict[str, list[Symbol]]) -> Uploaded:
    """Write one ``.jsonl`` a package below ``raw/{corpus}/api/``, and the judgments of each split."""
    prefix = f"raw/{corpus}/"
    there = {info.key: info.etag.upper() for info in oss.list(f"{prefix}api/")}
    written = 0
    for package, symbols in documents.items():
        key = prefix + _key(package)
        body = _jsonl(symbols)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest().upper()  # what OSS calls an object of one part
        if there.pop(key, None) != etag:
            oss.put(key, body, content_type="application/x-ndjson")
            written += 1
    oss.delete_many(list(there))  # a package that is not installed any more
    splits = judged(documents)
    for split, queries in splits.items():
        _write_judgments(oss, corpus, split, queries)
    total = sum(len(symbols) for symbols in documents.values())
    return Uploaded(len(documents), total, sum(len(queries) for queries in splits.values()), written)


def _note_key(corpus: str) -> str:
    return f"demo/{corpus}.json"


def _key(package: str) -> str:
    return f"api/{package}.jsonl"


def _jsonl(symbols: list[Symbol]) -> bytes:
    rows = ({"_id": symbol.title, "title": symbol.title, "text": symbol.body} for symbol in symbols)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _write_judgments(oss: Oss, corpus: str, split: str, queries: list[tuple[str, Symbol]]) -> None:
    now = datetime.now(UTC)
    rows = [
        {
            "query_id": symbol.title,
            "query": symbol.summary,
            "doc_id": schemas.doc_id(corpus, _key(package), symbol.title),
            "grade": 1,
            "source": "synthetic",
            "time": now,
        }
        for package, symbol in queries
    ]
    table = pa.Table.from_pylist(rows, schema=schemas.JUDGMENTS)
    schemas.write_table(oss, schemas.judgments_key(corpus, split), table, schemas.JUDGMENTS)
