"""One batch of files of an ingest run: get, parse, compare with what is known, cut, write chunks."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.corpus import formats, run_files
from searchloom.corpus.chunk import Chunker
from searchloom.corpus.chunks import part_key
from searchloom.corpus.document import Access, Document, Rejected, Unreadable
from searchloom.corpus.fetch import Fetched, Fetcher
from searchloom.corpus.isolation import Parsers
from searchloom.corpus.language import Detector
from searchloom.corpus.manifest import ACTIVE, DELETED, QUARANTINED
from searchloom.embedding import model
from searchloom.settings import Settings

log = logging.getLogger(__name__)

_WINDOW_DOCUMENTS = 512  # cut together: the tokenizer wants batches
_WINDOW_CHARACTERS = 4_000_000
_PART_CHUNKS = 20_000  # in one chunk file
_NOTED = 20  # quarantined records that a task's log names; the report names all

Row = dict[str, Any]


def parse_batch(oss: Oss, *, plan: str, batch: int, settings: Settings) -> dict[str, int]:
    """Parse and cut one batch of a plan; returns how many documents are new, changed, unchanged, removed, quarantined.

    What a file does wrong becomes a row of the manifest, never an error of the batch. Repeating it is safe.
    """
    head = run_files.read_plan(oss, plan)
    done = run_files.read_done(oss, plan, batch)
    if done is not None:
        log.info("batch %d was parsed before: %s", batch, done["counts"])
        return dict(done["counts"])
    files, prior = run_files.read_batch(oss, plan, batch)
    log.info("batch %d: %d files, %d bytes", batch, len(files), sum(file.size for file in files))
    chunker, fingerprint = _chunker(oss, settings)
    writer = _Writer(oss, head, batch)
    builder = _Builder(head, prior, chunker, fingerprint, writer)
    limit = settings.chunking.max_file_bytes
    with Parsers() as parsers, Fetcher(oss, f"raw/{head['corpus']}/", limit) as fetcher:
        for fetched in fetcher.all(files):
            builder.add_file(fetched, _documents(fetched, parsers, limit))
    builder.finish()
    run_files.write_done(oss, plan, batch, rows=builder.rows, parts=writer.parts, counts=builder.counts)
    log.info("batch %d: %s", batch, ", ".join(f"{count} {what}" for what, count in builder.counts.items()))
    return dict(builder.counts)


def _chunker(oss: Oss, settings: Settings) -> tuple[Chunker, str]:
    """Make the chunker of the base model, and name everything that the same bytes' chunks depend on."""
    folder = model.base_folder(oss, settings)
    most = min(settings.chunking.max_tokens, model.describe(folder).max_tokens)
    chunker = Chunker(
        folder / "tokenizer.json", max_tokens=most, overlap_tokens=min(settings.chunking.overlap_tokens, most // 4)
    )
    return chunker, f"{formats.PARSER_VERSION}/{most}/{chunker.overlap_tokens}"


def _documents(fetched: Fetched, parsers: Parsers, limit: int) -> Iterator[Document | Rejected]:
    """Yield what is in a file; what makes it unreadable, at once or on the way, is the last that comes."""
    if fetched.reason:
        yield Rejected("", fetched.reason)
        return
    try:
        if fetched.stream is not None:
            yield from formats.stream(fetched.name, fetched.stream, limit)
        else:
            yield from parsers.read(fetched.name, fetched.data)
    except Unreadable as error:
        yield Rejected("", str(error))


@dataclass(slots=True)
class _File:
    """A file while its documents are worked on."""

    info: ObjectInfo
    name: str
    mime: str
    access: Access
    prior: dict[str, Row]
    detector: Detector = field(default_factory=Detector)
    seen: set[str] = field(default_factory=set)


class _Writer:
    """Collects chunks and writes them in files of a bounded size."""

    def __init__(self, oss: Oss, head: dict[str, Any], batch: int) -> None:
        self._oss = oss
        self._head = head
        self._batch = batch
        self._rows: list[Row] = []
        self.parts: list[str] = []

    def add(self, rows: list[Row]) -> None:
        """Add all chunks of one document: they lie in one file."""
        self._rows.extend(rows)
        if len(self._rows) >= _PART_CHUNKS:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        name = f"{self._head['tag']}-{self._batch:05d}-{len(self.parts):03d}"
        key = part_key(self._head["corpus"], self._head["partition"], seq=self._head["seq"] + 1, name=name)
        schemas.write_table(self._oss, key, pa.Table.from_pylist(rows, schema=schemas.CHUNKS), schemas.CHUNKS)
        self.parts.append(key)


class _Builder:
    """Turns documents into manifest rows and chunks, window by window."""

    def __init__(
        self, head: dict[str, Any], prior: pa.Table, chunker: Chunker, fingerprint: str, writer: _Writer
    ) -> None:
        self._corpus: str = head["corpus"]
        self._partition: str = head["partition"]
        self._seq: int = head["seq"] + 1  # provisional: the commit knows
        self._chunker = chunker
        self._fingerprint = fingerprint
        self._writer = writer
        self._prior: dict[str, dict[str, Row]] = {}
        for row in prior.to_pylist():
            self._prior.setdefault(row["key"], {})[row["doc_id"]] = row
        self._window: list[tuple[_File, Document]] = []
        self._characters = 0
        self.rows: list[Row] = []
        self.counts: Counter[str] = Counter(
            {"new": 0, "changed": 0, "unchanged": 0, "removed": 0, "quarantined": 0, "chunks": 0}
        )

    def add_file(self, fetched: Fetched, documents: Iterator[Document | Rejected]) -> None:
        """Take in all documents of a file; what the file held before and holds no more is removed."""
        access = Access.of_metadata(fetched.info.metadata)
        file = _File(fetched.info, fetched.name, fetched.mime, access, self._prior.get(fetched.name, {}))
        if not fetched.gone:
            for document in documents:
                self._add(file, document)
        for identity, row in file.prior.items():
            if identity not in file.seen and row["state"] != DELETED:
                self.counts["removed"] += row["state"] == ACTIVE
                self.rows.append(
                    {**row, "state": DELETED, "reason": "", "seq": self._seq, "chunk_count": 0,
                     "partition": self._partition}
                )  # fmt: skip

    def _add(self, file: _File, document: Document | Rejected) -> None:
        identity = schemas.doc_id(self._corpus, file.name, document.record)
        file.seen.add(identity)
        if isinstance(document, Rejected):
            self._quarantine(file, identity, document)
            return
        self._window.append((file, document))
        self._characters += document.characters
        if len(self._window) >= _WINDOW_DOCUMENTS or self._characters >= _WINDOW_CHARACTERS:
            self._work()

    def finish(self) -> None:
        """Work on what is left and write the last chunk file."""
        self._work()
        self._writer.flush()
        if self.counts["quarantined"] > _NOTED:
            log.warning("%d more are quarantined; the run's report names all", self.counts["quarantined"] - _NOTED)

    def _quarantine(self, file: _File, identity: str, found: Rejected) -> None:
        digest = hashlib.sha256(f"quarantined\0{found.reason}".encode()).hexdigest()
        row = self._row(file, identity, found.record, digest)
        row.update(language="", state=QUARANTINED, reason=found.reason)
        if self._unchanged(file, row):
            return
        self.counts["quarantined"] += 1
        if self.counts["quarantined"] <= _NOTED:
            log.warning("quarantined %s%s: %s", file.name, found.record and f" ({found.record})", found.reason)
        self.rows.append(row)

    def _work(self) -> None:
        window, self._window, self._characters = self._window, [], 0
        outdated: list[tuple[Row, Document]] = []
        for (file, document), language in zip(window, _languages(window), strict=True):
            identity = schemas.doc_id(self._corpus, file.name, document.record)
            row = self._row(file, identity, document.record, "")
            row["tenant"] = document.tenant or row["tenant"]
            row["groups"] = list(document.groups) if document.groups else row["groups"]
            row["language"] = language
            row["content_sha256"] = _digest(document, row, self._fingerprint)
            if not self._unchanged(file, row):
                before = file.prior.get(identity)
                self.counts["changed" if before and before["state"] == ACTIVE else "new"] += 1
                outdated.append((row, document))
        for (row, _), pieces in zip(outdated, self._chunker.cut([document for _, document in outdated]), strict=True):
            row["chunk_count"] = len(pieces)
            row["chunk_high"] = max(row["chunk_high"], len(pieces))
            self.rows.append(row)
            self.counts["chunks"] += len(pieces)
            self._writer.add(
                [
                    {
                        **{name: row[name] for name in _SHARED},
                        "chunk_id": schemas.chunk_id(row["doc_id"], ordinal),
                        "ordinal": ordinal,
                        "title": piece.title,
                        "section": piece.section,
                        "text": piece.text,
                        "content_sha256": schemas.content_sha256(piece.embedding_text),
                    }
                    for ordinal, piece in enumerate(pieces)
                ]
            )

    def _row(self, file: _File, identity: str, record: str, digest: str) -> Row:
        before = file.prior.get(identity)
        return {
            "doc_id": identity,
            "source_id": record or file.name,
            "key": file.name,
            "etag": file.info.etag,
            "size": file.info.size,
            "last_modified": file.info.last_modified,
            "content_sha256": digest,
            "mime": file.mime,
            "language": "",
            "tenant": file.access.tenant,
            "groups": list(file.access.groups),
            "state": ACTIVE,
            "reason": "",
            "seq": self._seq,
            "partition": self._partition,
            "chunk_count": 0,
            "chunk_high": before["chunk_high"] if before else 0,
        }

    def _unchanged(self, file: _File, row: Row) -> bool:
        """Whether the manifest knows the document like this; then only the object's etag and time are noted."""
        before = file.prior.get(row["doc_id"])
        if not before or (before["state"], before["content_sha256"]) != (row["state"], row["content_sha256"]):
            return False
        self.counts["unchanged"] += 1
        if (before["etag"], _moment(before)) != (row["etag"], _moment(row)):
            self.rows.append({**before, **{name: row[name] for name in ("etag", "size", "last_modified")}})
        return True


_SHARED = ("doc_id", "source_id", "key", "language", "mime", "tenant", "groups", "last_modified", "seq")


def _moment(row: Row) -> datetime:
    moment: datetime = row["last_modified"]
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _languages(window: list[tuple[_File, Document]]) -> list[str]:
    """Name each document's language: as it says itself, else detected, file by file."""
    languages = [document.language or "" for _, document in window]
    places: dict[int, list[int]] = {}
    for place, (file, document) in enumerate(window):
        if not document.language:
            places.setdefault(id(file), []).append(place)
    for found in places.values():
        texts = [" ".join([window[at][1].title, *(one.text for one in window[at][1].sections[:8])]) for at in found]
        for at, language in zip(found, window[found[0]][0].detector.detect(texts), strict=True):
            languages[at] = language
    return languages


def _digest(document: Document, row: Row, fingerprint: str) -> str:
    """Hash everything of a document that reaches the index."""
    parts = [
        fingerprint, row["mime"], row["language"], row["tenant"], row["groups"], document.title,
        [[section.path, section.text] for section in document.sections],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
