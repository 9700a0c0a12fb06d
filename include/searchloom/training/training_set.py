"""A training set in OSS: ``training/{corpus}/{fingerprint}/``, written once, its card last.

It can be read from OSS or, where a job sees the bucket as a folder, from there; either way the files are those that
the card names, or nothing is read.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.errors import NotFound, ServiceConflict, ServiceNotFound, Terminal

FILES: Mapping[str, pa.Schema] = {
    "pairs.parquet": schemas.TRAINING_PAIRS,
    "dev.parquet": schemas.JUDGMENTS,
    "dev_pool.parquet": schemas.PASSAGES,
    "heldout.parquet": schemas.JUDGMENTS,
    "documents.parquet": schemas.TRAINED_DOCUMENTS,
}
CARD = "card.json"


class TrainingSetCard(BaseModel):
    """What a training set says of itself."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    fingerprint: str = Field(description="16 hex digits over everything that went in")
    seed: int
    mined_with: str = Field(description="version of the embedding model that judged the negatives")
    pairs: dict[str, int] = Field(description="source -> pairs")
    queries: dict[str, int] = Field(description="split (train, dev, heldout) -> queries")
    documents: dict[str, int] = Field(description="in_force, read, trained (positive of a pair), heldout")
    negatives: dict[str, int] = Field(description="found by (judged, bm25, vector, random) -> negatives")
    left_out: dict[str, int] = Field(default_factory=dict, description="why -> pairs that were not taken")
    settings: dict[str, Any] = {}
    files: dict[str, str] = Field(description="name -> sha256")
    created: datetime


@dataclass(frozen=True)
class TrainingSet:
    """A whole training set; see ``searchloom/schemas.py`` for the tables."""

    card: TrainingSetCard
    pairs: pa.Table  # TRAINING_PAIRS
    dev: pa.Table  # JUDGMENTS: queries of which no pair was made
    dev_pool: pa.Table  # PASSAGES: every passage of dev's documents, and others that they have to beat
    heldout: pa.Table  # JUDGMENTS: known-item queries of documents that occur in no pair
    documents: pa.Table  # TRAINED_DOCUMENTS

    def trained_on(self, *sources: str) -> frozenset[str]:
        """Documents that are the positive of a pair of one of these sources; of any where none is named."""
        rows = zip(self.documents["doc_id"].to_pylist(), self.documents["sources"].to_pylist(), strict=True)
        return frozenset(doc_id for doc_id, found in rows if not sources or not set(sources).isdisjoint(found))


def prefix(corpus: str, fingerprint: str) -> str:
    """Where the files of a training set lie in the bucket."""
    return f"training/{corpus}/{fingerprint}/"


def find_card(oss: Oss, corpus: str, fingerprint: str) -> TrainingSetCard | None:
    """Return the card of a training set; None where there is none: a set without a card does not exist."""
    try:
        data = oss.get(prefix(corpus, fingerprint) + CARD)
    except ServiceNotFound:
        return None
    return _card(data, f"oss://{oss.bucket_name}/{prefix(corpus, fingerprint)}{CARD}")


def read(oss: Oss, corpus: str, fingerprint: str) -> TrainingSet:
    """Read a training set from OSS.

    Raises ``NotFound`` where there is none, ``Terminal`` when its files are not those of its card.
    """
    where = prefix(corpus, fingerprint)
    if find_card(oss, corpus, fingerprint) is None:
        raise NotFound(f"corpus {corpus!r} has no training set {fingerprint!r}; build one with the DAG train_models")
    return _read(lambda name: oss.get(where + name), where)


def read_folder(folder: Path) -> TrainingSet:
    """Read a training set from a folder: the same files, under the same conditions."""
    if not (folder / CARD).is_file():
        raise NotFound(f"{folder} holds no training set (there is no {CARD}); build one with the DAG train_models")
    return _read(lambda name: (folder / name).read_bytes(), f"{folder}/")


def write(oss: Oss, card: TrainingSetCard, tables: Mapping[str, pa.Table]) -> TrainingSetCard:
    """Write the tables (by the names of ``FILES``) and then the card, which gets their digests; returns the card.

    Where another writer was faster its card is returned.
    """
    where = prefix(card.corpus, card.fingerprint)
    digests: dict[str, str] = {}
    for name, schema in FILES.items():
        data = schemas.to_bytes(tables[name], where + name, schema)
        digests[name] = hashlib.sha256(data).hexdigest()
        oss.put(where + name, data, content_type="application/vnd.apache.parquet")
    whole = card.model_copy(update={"files": digests})
    try:
        oss.put_json(where + CARD, whole.model_dump(mode="json"), forbid_overwrite=True)
    except ServiceConflict:
        there = find_card(oss, card.corpus, card.fingerprint)
        return there or whole
    return whole


def judged_queries(table: pa.Table) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    """Return ``query_id -> text`` and ``query_id -> doc_id -> grade`` of a table of judgments."""
    queries: dict[str, str] = {}
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for row in table.select(["query_id", "query", "doc_id", "grade"]).to_pylist():
        queries[row["query_id"]] = row["query"]
        grades[row["query_id"]][row["doc_id"]] = row["grade"]
    return queries, dict(grades)


def _read(get: Callable[[str], bytes], where: str) -> TrainingSet:
    card = _card(get(CARD), where + CARD)
    tables: dict[str, pa.Table] = {}
    for name, schema in FILES.items():
        data = get(name)
        if hashlib.sha256(data).hexdigest() != card.files.get(name):
            raise Terminal(f"{where}{name} is not the file that the set's card names; build the training set again")
        tables[name] = schemas.from_bytes(data, where + name, schema)
    return TrainingSet(card, *(tables[name] for name in FILES))


def _card(data: bytes, where: str) -> TrainingSetCard:
    try:
        return TrainingSetCard.model_validate_json(data)
    except ValidationError as error:
        raise Terminal(f"{where} is no card of a training set: {error.errors()[0]['msg']}") from error
