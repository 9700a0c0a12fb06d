"""The corpus as a catalogue of items: what the manifest and the chunks say, and the vectors of the live release."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks, manifest
from searchloom.embedding import store
from searchloom.personalization.catalog import Catalog, Item
from searchloom.personalization.texts import latent_vectors, reduced
from searchloom.release import registry
from searchloom.release.document import EmbeddingModel

log = logging.getLogger(__name__)

_TEXT_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents in force: a catalogue, whose each is, and the model whose vectors stand for their texts."""

    catalog: Catalog
    tenants: Mapping[str, str]
    embedding: str


@dataclass(slots=True)
class _Document:
    item: Item
    hashes: list[str] = field(default_factory=list)


def read(oss: Oss, corpus: str) -> Documents:
    """Read the documents of a corpus, in the order of their ids.

    A document's category is the folder it lies in (or its type), its vector the mean of its chunks'.
    """
    found: dict[str, _Document] = {}
    tenants: dict[str, str] = {}
    columns = ["doc_id", "ordinal", "title", "text", "key", "mime", "language", "tenant", "last_modified"]
    for table in chunks.in_force(oss, corpus, manifest.read(oss, corpus)):
        for row in table.select([*columns, "content_sha256"]).to_pylist():
            document = found.get(row["doc_id"])
            if document is None or row["ordinal"] == 0:
                folder = row["key"].rpartition("/")[0]
                item = Item(
                    row["doc_id"],
                    title=row["title"],
                    text=row["text"][:_TEXT_CHARS],
                    category=folder or row["mime"],
                    tags=(row["language"], row["mime"]),
                    published=row["last_modified"].timestamp(),
                )
                found[row["doc_id"]] = _Document(item, document.hashes if document else [])
                tenants[row["doc_id"]] = row["tenant"]
            found[row["doc_id"]].hashes.append(row["content_sha256"])
    documents = [found[doc_id] for doc_id in sorted(found)]
    items = [document.item for document in documents]
    release = registry.current(oss, corpus)
    vectors = _vectors(oss, corpus, release.embedding, documents) if release and documents else None
    if vectors is None:
        log.info("corpus %s has no vectors yet: documents are alike by their words", corpus)
        return Documents(Catalog(items, latent_vectors(items)), tenants, "")
    return Documents(Catalog(items, reduced(vectors)), tenants, release.embedding.version if release else "")


def _vectors(oss: Oss, corpus: str, model: EmbeddingModel, documents: list[_Document]) -> NDArray[np.float32] | None:
    """The mean of each document's vectors; zeros where none is there yet, None where no document has one."""
    hashes = {one for document in documents for one in document.hashes}
    table = store.lookup(oss, corpus, model.version, model.dims, hashes)
    if not len(table):
        return None
    values = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, model.dims)
    place = {one: row for row, one in enumerate(table["content_sha256"].to_pylist())}
    found = np.zeros((len(documents), model.dims), np.float32)
    for row, document in enumerate(documents):
        mine = [place[one] for one in document.hashes if one in place]
        if mine:
            found[row] = values[mine].mean(axis=0)
    return found
