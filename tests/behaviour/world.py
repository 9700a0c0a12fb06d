"""A corpus, an event log and a fresh AIRec instance on a real local cloud, and what can be done with them."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from searchloom.behaviour.sync import TABLES, plan, push, reconcile, sync
from searchloom.cloud.airec import Airec
from searchloom.cloud.oss import Oss
from searchloom.settings import Settings
from tests.corpus.runs import Runs

NOW = datetime.now(UTC)


@dataclass
class World:
    """``told`` and ``behaviour`` read what the local AIRec has stored, from its own file."""

    settings: Settings
    oss: Oss
    runs: Runs
    airec: Airec
    cloud_state: Path
    _numbers: Any = field(default_factory=itertools.count)

    @property
    def corpus(self) -> str:
        return self.runs.corpus

    @property
    def instance(self) -> str:
        return self.airec.instance_id

    def documents(self, count: int, *, tenant: str = "default") -> list[str]:
        """Put documents into the corpus; return their ids."""
        files: Mapping[str, str | bytes] = {
            f"guides/{tenant}/{n}.md": f"# Guide {n}\n\n## Part\n\nText of guide {n}." for n in range(count)
        }
        self.runs.put(files, tenant=tenant)
        self.runs.run()
        return [self.runs.rows()[name]["doc_id"] for name in files]

    def event(self, item: str, user: str = "ann", kind: str = "click", **more: Any) -> dict[str, Any]:
        moment = more.pop("moment", NOW - timedelta(minutes=next(self._numbers) % 50 + 1))
        said = {"event_id": uuid.uuid4().hex, "time": moment.isoformat(), "user_id": user, "tenant": "default"}
        return said | {"type": kind, "item_id": item, "corpus": self.corpus} | more

    def log(self, *events: Mapping[str, Any], name: str = "", day: str = "") -> str:
        """Write a file of the event log; return its key."""
        key = f"events/dt={day or events[0]['time'][:10]}/{name or uuid.uuid4().hex}.jsonl"
        self.oss.put(key, b"".join(json.dumps(one).encode() + b"\n" for one in events))
        return key

    def sync(self, **options: Any) -> dict[str, Any]:
        return sync(
            self.oss, self.airec, corpus=self.corpus, settings=self.settings, **{"run_id": self.run_id()} | options
        )

    def plan(self, **options: Any) -> str:
        defaults = {"run_id": self.run_id(), "before": None, "full": False, "replay": False}
        planned = plan(
            self.oss, instance=self.instance, scene_id=self.airec.scene_id, corpus=self.corpus,
            settings=self.settings, **defaults | options,
        )  # fmt: skip
        return str(planned["plan"])

    def push(self, planned: str) -> dict[str, dict[str, Any]]:
        return {table: push(self.oss, self.airec, plan=planned, table=table) for table in TABLES}

    def reconcile(self, planned: str) -> dict[str, Any]:
        return reconcile(self.oss, plan=planned)

    def environment(self) -> dict[str, str]:
        """The settings as a process of its own reads them."""
        oss, acs = self.settings.oss, self.settings.acs
        return {
            **os.environ,
            "SEARCHLOOM_OSS__ENDPOINT": oss.endpoint,
            "SEARCHLOOM_OSS__BUCKET": oss.bucket,
            "SEARCHLOOM_OSS__ACCESS_KEY_ID": oss.access_key_id,
            "SEARCHLOOM_OSS__ACCESS_KEY_SECRET": oss.access_key_secret.get_secret_value(),
            "SEARCHLOOM_ACS__ENDPOINT": acs.endpoint,
            "SEARCHLOOM_ACS__ACCESS_KEY_ID": acs.access_key_id,
            "SEARCHLOOM_ACS__ACCESS_KEY_SECRET": acs.access_key_secret.get_secret_value(),
            "SEARCHLOOM_AIREC__INSTANCE_ID": self.instance,
        }

    def run_id(self) -> str:
        return f"run-{uuid.uuid4().hex[:8]}"

    def fault(self, kind: str, count: int = 1) -> None:
        fault = {"service": "airec", "action": "PushDocument", "kind": kind, "count": count}
        httpx.post(f"{self.settings.oss.endpoint}/_faults", json=fault).raise_for_status()

    def told(self, table: str) -> dict[str, dict[str, str]]:
        """The items or users that the instance holds, by id."""
        query = "SELECT id, fields FROM documents WHERE kind = ? AND fields IS NOT NULL AND data_set LIKE ?"
        return {row[0]: json.loads(row[1]) for row in self._rows(query, table, f"{self.instance}/%")}

    def behaviour(self) -> list[dict[str, str]]:
        """The rows of behaviour that the instance holds, in the order in which they came."""
        query = "SELECT fields FROM behaviors WHERE data_set LIKE ? ORDER BY number"
        return [json.loads(row[0]) for row in self._rows(query, f"{self.instance}/%")]

    def dead(self) -> list[dict[str, Any]]:
        """All dead letters."""
        found = self.oss.list(f"dead_letters/{self.corpus}/airec/{self.instance}/")
        return [json.loads(line) for info in found for line in self.oss.get(info.key).splitlines()]

    def _rows(self, query: str, *values: str) -> list[Any]:
        with sqlite3.connect(f"file:{self.cloud_state / 'airec' / 'tables.sqlite'}?mode=ro", uri=True) as database:
            return database.execute(query, values).fetchall()


def differences(report: Mapping[str, Any]) -> dict[str, int]:
    """What is missing in each table."""
    return {table: balance["missing"] for table, balance in report["tables"].items()}
