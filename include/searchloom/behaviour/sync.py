"""A whole sync in one process: what the DAG does in tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from searchloom.behaviour.plan import plan
from searchloom.behaviour.planned import TABLES
from searchloom.behaviour.push import push
from searchloom.behaviour.reconcile import reconcile
from searchloom.cloud.airec import Airec
from searchloom.cloud.oss import Oss
from searchloom.settings import Settings

__all__ = ["TABLES", "plan", "push", "reconcile", "sync"]


def sync(
    oss: Oss,
    airec: Airec,
    *,
    corpus: str,
    run_id: str,
    settings: Settings,
    before: datetime | None = None,
    full: bool = False,
    replay: bool = False,
) -> dict[str, Any]:
    """Bring AIRec up to the corpus and the event log; returns the report. See ``plan`` for the arguments.

    Raises ``Terminal`` where the two differ in the end, and the errors of both clients.
    """
    planned = plan(
        oss, instance=airec.instance_id, scene_id=airec.scene_id, corpus=corpus, run_id=run_id, before=before,
        full=full, replay=replay, settings=settings,
    )  # fmt: skip
    for table in TABLES:
        push(oss, airec, plan=planned["plan"], table=table)
    return reconcile(oss, plan=planned["plan"])
