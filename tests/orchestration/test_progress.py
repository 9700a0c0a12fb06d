from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from searchloom.orchestration.follow import Run
from searchloom.orchestration.progress import shown


def task(name: str, state: str | None, *, index: int = -1, label: str | None = None) -> dict[str, Any]:
    return {
        "task_id": name, "map_index": index, "state": state, "try_number": 1, "duration": 1.25,
        "start_date": None, "end_date": None, "rendered_map_index": label,
    }  # fmt: skip


def test_without_a_terminal_every_change_of_state_is_one_line_and_is_told_once() -> None:
    out = io.StringIO()
    run = Run("ingest_corpus", "r1", "2026-11-20", "running", tasks=[task("plan", "success"), task("commit", None)])
    with shown(Console(file=out, force_terminal=False)) as watch:
        watch([run])
        watch([run])
        run.tasks.append(task("parse", "success", index=0, label="batch 1: 3 parsed"))
        run.state, run.seconds = "success", 4.0
        watch([run])
    assert out.getvalue().splitlines() == [
        "ingest_corpus 2026-11-20: plan success (1.2 s)",
        "ingest_corpus 2026-11-20: running",
        "ingest_corpus 2026-11-20: parse[batch 1: 3 parsed] success (1.2 s)",
        "ingest_corpus 2026-11-20: success (4.0 s)",
    ]


def test_on_a_terminal_mapped_tasks_are_counted() -> None:
    out = io.StringIO()
    tasks = [task("parse", state, index=n) for n, state in enumerate(("success", "skipped", "running", None))]
    with shown(Console(file=out, force_terminal=True, width=120)) as watch:
        watch([Run("ingest_corpus", "r1", "docs|all", "running", tasks=tasks)])
    assert "2/4" in out.getvalue()
    assert "running" in out.getvalue()
