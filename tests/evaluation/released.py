"""A corpus that is really ingested, embedded, loaded into both engines and released, and candidates beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.cloud.oss import Oss
from searchloom.corpus import ingest
from searchloom.embedding import model as models
from searchloom.embedding import shards
from searchloom.embedding.card import ModelCard
from searchloom.embedding.encoder import Encoder
from searchloom.engines.connect import loader
from searchloom.engines.interface import GenerationMeta
from searchloom.engines.load import load
from searchloom.release import registry
from searchloom.release.document import EmbeddingModel, Fusion, Release
from searchloom.settings import ENGINES, Settings

FILE = "all.jsonl"


@dataclass
class Released:
    """A corpus and its releases; ``indexes``: what to drop from both engines at the end."""

    oss: Oss
    settings: Settings
    corpus: str
    indexes: list[str] = field(default_factory=list)

    def ingest(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Bring documents into the corpus: ``_id``, ``title``, ``text``, ..."""
        body = "".join(json.dumps(dict(record)) + "\n" for record in records)
        self.oss.put(f"raw/{self.corpus}/{FILE}", body.encode())
        options: dict[str, Any] = {"partition": "2026-11-20", "modified_before": None, "reprocess": False}
        planned = ingest.plan(self.oss, corpus=self.corpus, run_id="r", settings=self.settings, **options)
        for batch in range(planned["batches"]):
            ingest.parse_batch(self.oss, plan=planned["plan"], batch=batch, settings=self.settings)
        ingest.commit(self.oss, plan=planned["plan"])

    def judge_by(self, split: str, queries: Mapping[str, tuple[str, Mapping[str, int]]]) -> None:
        """Write judgments: query_id -> text, and record -> grade."""
        rows = [
            {
                "query_id": query_id, "query": text, "doc_id": schemas.doc_id(self.corpus, FILE, record),
                "grade": grade, "source": "human", "time": datetime.now(UTC),
            }
            for query_id, (text, grades) in queries.items()
            for record, grade in grades.items()
        ]  # fmt: skip
        table = pa.Table.from_pylist(rows, schema=schemas.JUDGMENTS)
        schemas.write_table(self.oss, schemas.judgments_key(self.corpus, split), table, schemas.JUDGMENTS)

    def publish_model(self, folder: Path, version: str, **facts: Any) -> ModelCard:
        """Put a model beside the base model."""
        return models.publish(self.oss, folder, version=version, base=str(folder), **facts)

    def build(self, card: ModelCard, index: str) -> dict[str, Any]:
        """Embed the corpus and load it into an index of both engines; return a candidate of it."""
        encoder = Encoder(models.fetch(self.oss, card.version, self.settings.cache))
        planned = shards.plan(self.oss, corpus=self.corpus, partition=None, run_id=index, model=card, group_size=10_000)
        for group in range(planned["groups"]):
            shards.embed_group(self.oss, plan=planned["plan"], group=group, encoder=encoder)
        self.indexes.append(index)
        for name in ENGINES:
            with closing(loader(self.settings, name)) as side:
                side.create(index, GenerationMeta(self.corpus, card.version, card.dims))
                load(self.oss, side, corpus=self.corpus, index=index, embedding_version=card.version)
        return {
            "embedding": {"version": card.version, "dims": card.dims},
            "generation": dict.fromkeys(ENGINES, index),
        }

    def release(self, candidate: Mapping[str, Any], fusion: Fusion) -> Release:
        """Make a candidate the live release."""
        with ExitStack() as stack:
            loaders = {name: stack.enter_context(closing(loader(self.settings, name))) for name in ENGINES}
            return registry.publish(
                self.oss, loaders, corpus=self.corpus, embedding=EmbeddingModel(**candidate["embedding"]),
                generation=candidate["generation"], fusion=fusion, created_by="tests",
            )  # fmt: skip

    def drop(self) -> None:
        """Take everything out of the engines."""
        for name in ENGINES:
            with closing(loader(self.settings, name)) as side:
                for index in self.indexes:
                    side.drop(index)
