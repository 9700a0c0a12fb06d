"""Documents as rows of AIRec's item table: what changed since a commit of the manifest, and what is gone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from searchloom.behaviour.planned import Planned
from searchloom.behaviour.semantics import Semantics
from searchloom.cloud import airec_names
from searchloom.cloud.airec_rows import MAX_ROW_BYTES, Row, encoded
from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks
from searchloom.corpus.chunk import PATH_MARK
from searchloom.corpus.manifest import ACTIVE, Manifest
from searchloom.embedding import store
from searchloom.release import registry

_TITLE_CHARS = 200
_TAGS = 20
_TAG_CHARS = 60
_CONTENT_CHARS = 4000
_LEVELS = 4
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Scheme:
    """What every row of a corpus has in common."""

    corpus: str
    item_type: str
    scene_id: str

    def key(self, doc_id: str) -> dict[str, str]:
        """What AIRec knows a document by."""
        return {"item_id": airec_names.item_id(doc_id), "item_type": self.item_type}


@dataclass(slots=True)
class _Text:
    """What the chunks of a document say, until all of them are there."""

    title: str = ""
    sections: dict[str, None] = field(default_factory=dict)
    pieces: list[tuple[int, str]] = field(default_factory=list)
    vectors: list[NDArray[np.float32]] = field(default_factory=list)


class Vectors:
    """The vectors of the live release's model, where the corpus has a release."""

    def __init__(self, oss: Oss, corpus: str) -> None:
        release = registry.current(oss, corpus)
        self._oss, self._corpus = oss, corpus
        self._dims = release.embedding.dims if release else 0
        self.version = release.embedding.version if release else ""
        self._semantics = Semantics(self._dims) if release else None

    def of(self, table: pa.Table) -> dict[str, NDArray[np.float32]]:
        """The vectors that exist of some chunks, by ``content_sha256``."""
        if self._semantics is None:
            return {}
        hashes = pc.unique(table["content_sha256"])
        found = store.lookup(self._oss, self._corpus, self.version, self._dims, hashes)
        rows = found["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, self._dims)
        return dict(zip(found["content_sha256"].to_pylist(), rows, strict=True))

    def words(self, vectors: Sequence[NDArray[np.float32]]) -> str:
        """What a document with these chunks is about."""
        return self._semantics.words(np.mean(vectors, axis=0)) if self._semantics and vectors else ""


class Items:
    """The rows that a sync has to send. ``bare``: documents sent without features, for want of their vectors."""

    def __init__(self, oss: Oss, manifest: Manifest, scheme: Scheme, vectors: Vectors) -> None:
        self._oss, self._manifest = oss, manifest
        self._scheme, self._vectors = scheme, vectors
        self.bare: list[str] = []

    def rows(self, *, since: int, again: Sequence[str], with_deletes: bool) -> Iterator[Planned]:
        """Documents of commits after ``since``, and those of ``again`` that are still there."""
        table = self._manifest.table
        new = pc.greater(table["seq"], since)
        if with_deletes:
            for row in table.filter(pc.and_(new, pc.not_equal(table["state"], ACTIVE))).to_pylist():
                key = self._scheme.key(row["doc_id"])
                yield Planned(row["doc_id"], Row(key, "delete"), source={"doc_id": row["doc_id"]})
        chosen = pc.or_(new, pc.is_in(table["doc_id"], value_set=pa.array(list(again), pa.string())))
        active = table.filter(pc.and_(chosen, pc.equal(table["state"], ACTIVE)))
        yield from self._upserts(active)

    def _upserts(self, active: pa.Table) -> Iterator[Planned]:
        waiting = {row["doc_id"]: row for row in active.to_pylist()}
        texts: dict[str, _Text] = {}
        for table in chunks.in_force(self._oss, self._scheme.corpus, dataclasses.replace(self._manifest, table=active)):
            vectors = self._vectors.of(table)
            for chunk in table.to_pylist():
                text = texts.setdefault(chunk["doc_id"], _Text())
                _add(text, chunk, vectors)
                if len(text.pieces) == waiting[chunk["doc_id"]]["chunk_count"]:
                    yield self._upsert(waiting.pop(chunk["doc_id"]), texts.pop(chunk["doc_id"]))
        for doc_id, row in waiting.items():  # without any text
            yield self._upsert(row, texts.get(doc_id, _Text()))

    def _upsert(self, row: Mapping[str, Any], text: _Text) -> Planned:
        doc_id, modified = row["doc_id"], str(int(row["last_modified"].timestamp()))
        path, tags = _path(self._scheme.corpus, row["key"]), _tags(row["language"], text.sections)
        fields = {
            **self._scheme.key(doc_id),
            "status": "1",
            "scene_id": self._scheme.scene_id,
            "title": _plain(text.title or row["source_id"])[:_TITLE_CHARS],
            "category_level": str(len(path)),
            "category_path": "_".join(path),
            "tags": ",".join([*airec_names.scope_tags(row["tenant"], self._scheme.corpus), *tags]),
            "pub_time": modified,
            "last_modify_time": modified,
        }
        if len(text.vectors) == len(text.pieces) and (words := self._vectors.words(text.vectors)):
            fields["features"] = words
        elif self._vectors.version and text.pieces:
            self.bare.append(doc_id)
        said = _plain("\n".join(piece for _, piece in sorted(text.pieces)))[:_CONTENT_CHARS]
        return Planned(doc_id, Row(fields | {"content": _fitting(fields, said)}), source={"doc_id": doc_id})


def _add(text: _Text, chunk: Mapping[str, Any], vectors: Mapping[str, NDArray[np.float32]]) -> None:
    text.title = text.title or chunk["title"]
    text.pieces.append((chunk["ordinal"], chunk["text"]))
    if chunk["section"]:
        text.sections.setdefault(chunk["section"])
    vector = vectors.get(chunk["content_sha256"])
    if vector is not None:
        text.vectors.append(vector)


def _path(corpus: str, key: str) -> list[str]:
    """The corpus and the folders that a document lies in, outermost first; AIRec joins levels with ``_``."""
    levels = [corpus, *key.split("/")[:-1]][:_LEVELS]
    return [_plain(level).replace("_", "-").replace(",", " ") for level in levels if level]


def _tags(language: str, sections: Mapping[str, None]) -> list[str]:
    """The language and the innermost headings; AIRec joins tags with commas."""
    names = [f"lang-{language}", *(section.rsplit(PATH_MARK, 1)[-1] for section in sections)]
    tags = (" ".join(_plain(name).replace(",", " ").split())[:_TAG_CHARS] for name in names)
    return list(dict.fromkeys(filter(None, tags)))[:_TAGS]


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)


def _fitting(fields: Mapping[str, str], content: str) -> str:
    """As much of the content as fits into a document; nothing where the rest alone is too large."""
    while content and (excess := len(encoded(Row({**fields, "content": content}))) - MAX_ROW_BYTES) > 0:
        content = content[: max(0, len(content) - max(excess // 4, 1))]
    return content
