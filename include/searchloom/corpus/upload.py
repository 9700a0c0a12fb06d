"""The way in: files and folders into ``raw/{corpus}/``, and judged collections in the layout of BEIR."""

from __future__ import annotations

import gzip
import json
import logging
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.corpus.document import Access
from searchloom.errors import NotFound, UsageError

log = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")
_THREADS = 8
_MAX_KEY_BYTES = 1023  # of an OSS key
_GRADES = range(-(2**31), 2**31)


def put(
    oss: Oss, corpus: str, paths: Sequence[Path], *, tenant: str | None = None, groups: Sequence[str] = ()
) -> list[str]:
    """Upload files and folders as they are; returns their keys below ``raw/{corpus}/``.

    A file's key is its name, a folder's files keep their path from the folder's own name on. Raises ``UsageError``
    before anything is uploaded where a path does not exist, leads out of its folder, or cannot be a key.
    """
    files: dict[str, Path] = {}
    for path in paths:
        for key, file in _files(path):
            if files.setdefault(key, file) != file:
                raise UsageError(f"{files[key]} and {file} would both become {key!r}; upload them in two folders")
    prefix = f"raw/{corpus}/"
    for key, file in files.items():
        if len(_encoded(prefix + key, file)) > _MAX_KEY_BYTES:
            raise UsageError(
                f"the key of {file} is longer than the {_MAX_KEY_BYTES} bytes OSS allows; shorten its path"
            )
    default = Access()
    access = Access(tenant or default.tenant, tuple(groups) or default.groups).to_metadata()
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda item: oss.upload(item[1], prefix + item[0], metadata=access), files.items()))
    log.info("corpus %r: uploaded %d files", corpus, len(files))
    return list(files)


def remove(oss: Oss, corpus: str, keys: Sequence[str]) -> list[str]:
    """Delete files of the corpus by key; a key that ends in ``/`` means everything below it. Returns what is deleted.

    Raises ``NotFound`` before anything is deleted where a key names nothing.
    """
    prefix = f"raw/{corpus}/"
    found: list[str] = []
    for key in keys:
        if key.endswith("/"):
            below = [info.key for info in oss.list(prefix + key)]
        else:
            below = [prefix + key] if oss.exists(prefix + key) else []
        if not below:
            raise NotFound(f"there is no {key!r} in corpus {corpus!r}; a folder's key ends in a slash")
        found.extend(below)
    oss.delete_many(found)
    log.info("corpus %r: deleted %d files; the next ingest run takes them out of the engines", corpus, len(found))
    return [key.removeprefix(prefix) for key in found]


def import_beir(oss: Oss, corpus: str, folder: Path) -> dict[str, int]:
    """Import a collection: corpus.jsonl[.gz], queries.jsonl[.gz], qrels/{train,dev,test}.tsv[.gz].

    The corpus file goes up as it is, each split becomes ``judgments/{corpus}/{split}.parquet``. Everything is checked
    before the first write; a query without words is left out, and so are its judgments. Returns counts of documents,
    queries and judgments of each split. Raises ``UsageError`` naming file and line.
    """
    source = _named(folder, "corpus.jsonl")
    documents = {record["_id"] for record in _records(source)}
    queries = {record["_id"]: record["text"].strip() for record in _records(_named(folder, "queries.jsonl"), text=True)}
    files = {split: file for split in SPLITS if (file := _found(folder / "qrels", f"{split}.tsv")) is not None}
    if not files:
        raise UsageError(f"{folder / 'qrels'} holds none of train.tsv, dev.tsv, test.tsv (or .gz); add at least one")
    worded = sum(map(bool, queries.values()))
    if worded < len(queries):
        log.warning("%s: %d queries have no words; they are left out", folder, len(queries) - worded)
    counts = {"documents": len(documents), "queries": worded}
    now = datetime.now(UTC)
    tables: dict[str, pa.Table] = {}
    for split, file in files.items():
        rows = [
            {
                "query_id": query, "query": queries[query], "doc_id": schemas.doc_id(corpus, source.name, document),
                "grade": grade, "source": "human", "time": now,
            }
            for query, document, grade in _qrels(file, queries, documents)
            if queries[query]
        ]  # fmt: skip
        tables[split] = pa.Table.from_pylist(rows, schema=schemas.JUDGMENTS)
        counts[split] = len(rows)
    oss.upload(source, f"raw/{corpus}/{source.name}", metadata=Access().to_metadata())
    for split, table in tables.items():
        schemas.write_table(oss, schemas.judgments_key(corpus, split), table, schemas.JUDGMENTS)
    log.info("corpus %r: imported %s", corpus, ", ".join(f"{count} {what}" for what, count in counts.items()))
    return counts


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    if not path.is_dir():
        raise UsageError(f"{path} is neither a file nor a folder; check the path")
    folder = path.resolve()
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(names):
            file = Path(place) / name
            if _hidden(name) or not file.is_file():
                continue
            if not file.resolve().is_relative_to(folder):
                raise UsageError(f"{file} is a link that leads out of {folder}; upload what it points to instead")
            yield file.relative_to(folder.parent).as_posix().lstrip("/"), file


def _hidden(name: str) -> bool:
    """Whether it is of the kind of .git and .DS_Store; a name may well begin with two dots."""
    return name.startswith(".") and not name.startswith("..")


def _encoded(key: str, file: Path) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"the name of {str(file)!r} is not UTF-8; rename the file") from error


def _named(folder: Path, name: str) -> Path:
    found = _found(folder, name)
    if found is None:
        raise UsageError(f"{folder} holds no {name} (or {name}.gz); give a folder in the layout of BEIR")
    return found


def _found(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (``file:line``, text) of each line that is not empty."""
    number = 0
    with path.open("rb") as raw:
        stream = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        try:
            for number, line in enumerate(stream, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                if text.strip():
                    yield f"{path}:{number}", text
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}:{number}: the line is not UTF-8: {error}; convert the file") from error
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UsageError(f"{path}:{number + 1}: the gzip data is damaged: {error}; fetch the file again") from error


def _records(path: Path, *, text: bool = False) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for where, line in _lines(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where}: broken JSON: {error}") from error
        identity = record.get("_id") if isinstance(record, dict) else None
        if not isinstance(identity, str) or not identity:
            raise UsageError(f"{where}: the record has no _id of kind string; every document and query needs one")
        if identity in seen:
            raise UsageError(f"{where}: the _id {identity!r} occurs a second time; ids must differ")
        seen.add(identity)
        if text and not isinstance(record.get("text"), str):
            raise UsageError(f"{where}: query {identity!r} has no field text of kind string")
        yield record
    if not seen:
        raise UsageError(f"{path}: the file holds no record")


def _qrels(path: Path, queries: dict[str, str], documents: set[str]) -> Iterator[tuple[str, str, int]]:
    unknown = 0
    seen: set[tuple[str, str]] = set()
    for number, (where, line) in enumerate(_lines(path)):
        cells = line.split("\t")
        if number == 0 and cells[-1].strip().lower() in {"score", "grade", "relevance"}:
            continue
        query, document, grade = _judgment(where, cells)
        if query not in queries:
            raise UsageError(f"{where}: query {query!r} is not in queries.jsonl")
        if (query, document) in seen:
            raise UsageError(f"{where}: query {query!r} and document {document!r} are judged a second time")
        seen.add((query, document))
        unknown += document not in documents
        yield query, document, grade
    if unknown:
        log.warning("%s: %d judged documents are not in the corpus; they count as never found", path, unknown)


def _judgment(where: str, cells: list[str]) -> tuple[str, str, int]:
    if len(cells) != 3:
        raise UsageError(f"{where}: {len(cells)} columns instead of query-id, corpus-id, score, separated by tabs")
    try:
        grade = int(cells[2])
    except ValueError as error:
        raise UsageError(f"{where}: the score {cells[2]!r} is no whole number") from error
    if grade not in _GRADES:
        raise UsageError(f"{where}: the score {grade} is out of range")
    return cells[0], cells[1], grade
