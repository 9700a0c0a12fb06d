"""A local stack of the tests' own: a real Airflow, with the examples shown, and the local cloud.

Its environment is set only while it starts, so that it may stand beside tests that know nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
import psutil
import pytest
import stamina

from searchloom import settings as settings_module
from searchloom.errors import ServiceNotFound, ServiceUnavailable
from searchloom.orchestration.api import AirflowApi, Json
from searchloom.settings import ENGINES, Settings
from searchloom.stack import lifecycle
from searchloom.stack.process import Keeper

T = TypeVar("T")
WITHOUT = frozenset({"engines", "embedding", "query"})
PARSE_S = 300
WORKER_TITLE = "airflow worker -- LocalExecutor: "
"""What a worker of the LocalExecutor calls itself, before the id of the task instance that it runs."""
AGAIN = stamina.retry(on=ServiceUnavailable, attempts=8, timeout=60)


class LiveApi(AirflowApi):
    """What a person does in Airflow's pages, and a script does not."""

    def links(self, task: Json) -> dict[str, str | None]:
        """Return the buttons of a task instance: name -> address."""
        links: dict[str, str | None] = self._get(f"{_path(task)}/links")["extra_links"]
        return links

    @AGAIN
    def mark_run_failed(self, dag_id: str, run_id: str) -> None:
        """Press *Mark run as failed*."""
        self._call("PATCH", f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}", json={"state": "failed"})

    @AGAIN
    def mark_task_failed(self, task: Json) -> None:
        """Press *Mark task as failed*."""
        self._call("PATCH", _path(task), json={"new_state": "failed"})


class Live:
    """The running stack; ``settings`` lead to it."""

    def __init__(self, state: Path, engines: Settings) -> None:
        self._variables = {
            "SEARCHLOOM_STATE": str(state),
            "SEARCHLOOM_AIRFLOW__EXAMPLES": "true",
            "SEARCHLOOM_AIRFLOW__RETRY_DELAY_S": "1",
            "LOCALCLOUD_TEACHING_STEPS": "0",
            **{f"SEARCHLOOM_{name.upper()}__URL": engines.engine(name).url for name in ENGINES},
        }
        self.keeper = Keeper(state)
        with self._environment():
            self.settings = Settings()

    @cached_property
    def api(self) -> LiveApi:
        """Airflow's REST API."""
        return LiveApi(self.settings.airflow)

    def up(self) -> None:
        """Start what does not run, as ``searchloom up`` does."""
        with self._environment():
            lifecycle.up(Settings(), without=WITHOUT, say=lambda _part, _what: None)
            self.settings = Settings()

    @contextmanager
    def _environment(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._variables.items():
                patch.setenv(name, value)
            yield
        settings_module.load.cache_clear()

    def down(self) -> None:
        """Stop all of it."""
        lifecycle.down(self.settings, say=lambda _part, _what: None)

    def kill(self, part: str) -> None:
        """Kill a part's leading process, as the kernel does when memory runs out."""
        leader = self.keeper.leader(part)
        assert leader, f"{part} does not run"
        leader.kill()
        leader.wait(timeout=30)

    def workers(self) -> dict[str, psutil.Process]:
        """Return the workers that run a task now, by the id of the task instance: the scheduler's children."""
        scheduler = self.keeper.leader("airflow-scheduler")
        assert scheduler, "the scheduler does not run"
        found = {}
        for process in scheduler.children():
            title = _title(process)
            if title.startswith(WORKER_TITLE) and not title.endswith("<idle>"):
                found[title.removeprefix(WORKER_TITLE)] = process
        return found

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run, as soon as Airflow has parsed it."""

        def known() -> Json | None:
            try:
                return self.api.dag(dag_id)
            except ServiceNotFound:
                return None

        wait_for(known, patience_s=PARSE_S, what=f"Airflow to parse {dag_id}")
        self.api.unpause(dag_id)

    def start(self, dag_id: str, **conf: object) -> str:
        """Let a DAG run; return the run's id."""
        self.unpause(dag_id)
        return str(self.api.trigger(dag_id, conf=conf)["dag_run_id"])

    def ended(self, dag_id: str, run_id: str, *, patience_s: float) -> str:
        """Wait for the end of a run; return its state."""

        def state() -> str | None:
            now = str(self.api.run(dag_id, run_id)["state"])
            return now if now in {"success", "failed"} else None

        return wait_for(state, patience_s=patience_s, what=f"the end of {dag_id} {run_id}")

    def task(self, dag_id: str, run_id: str, task_id: str) -> Json:
        """Return a task instance as it stands."""
        return next(task for task in self.api.tasks(dag_id, run_id) if task["task_id"] == task_id)

    def story(self, dag_id: str, run_id: str) -> str:
        """Return the states of a run's tasks and the ends of their logs, for a test's message."""
        told = []
        for task in self.api.tasks(dag_id, run_id):
            told.append(f"{task['task_id']}: {task['state']}, try {task['try_number']}")
            if task["try_number"] and task["state"] != "success":
                told += self.api.log(task)[-15:]
        return "\n".join(told)

    def fault(self, **fault: object) -> None:
        """Let the local cloud misbehave; see ``localcloud.faults``."""
        httpx.post(f"{self.settings.oss.endpoint}/_faults", json=fault).raise_for_status()

    def faults_left(self) -> list[Json]:
        """Return the faults that have befallen nobody yet."""
        faults: list[Json] = httpx.get(f"{self.settings.oss.endpoint}/_faults").json()["faults"]
        return faults


def wait_for(look: Callable[[], T | None], *, patience_s: float, what: str, every_s: float = 0.5) -> T:
    """Look until there is something; return it."""
    deadline = time.monotonic() + patience_s
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s in vain for {what}"
        time.sleep(every_s)
    return found


def _path(task: Json) -> str:
    run = quote(task["dag_run_id"], safe="")
    return f"/dags/{task['dag_id']}/dagRuns/{run}/taskInstances/{task['task_id']}"


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""
