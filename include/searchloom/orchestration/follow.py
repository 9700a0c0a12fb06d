"""Follow runs, and the runs that their assets set off, until all of them are done.

Which run an asset event set off is found by its partition key (a task that gives its event a key of its own returns it
as ``key``). Airflow's own list of asset events is no help: it answers 500 while a run that an event set off is queued.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from searchloom.errors import Transient
from searchloom.orchestration.api import AirflowApi, Json
from searchloom.orchestration.start import set_off_by_task

POLL_S = 1.0
PATIENCE_S = 120.0  # from an asset event until the scheduler must have created the run that it sets off
_CLOCKS_APART = timedelta(seconds=1)  # at most, between a worker and the scheduler

_ENDED = {"success", "failed"}


@dataclass(slots=True)
class Run:
    """One DAG run as it was seen last."""

    dag_id: str
    run_id: str
    key: str
    state: str = "queued"
    seconds: float = 0.0
    tasks: list[Json] = field(default_factory=list)
    set_off: dict[str, str] = field(default_factory=dict)  # DAG -> id of the run of it that this one set off
    complete: bool = False  # it has ended, and every run that it sets off is known

    @property
    def failed_tasks(self) -> list[Json]:
        """Task instances that failed themselves (not those that a failure before them stopped)."""
        return [task for task in self.tasks if task["state"] == "failed"]


class Follower:
    """A growing list of runs; ``poll`` looks at all that are not complete."""

    def __init__(self, api: AirflowApi, runs: list[Json]) -> None:
        self._api = api
        self._sets_off = set_off_by_task(api.assets())
        self._waiting_since: dict[tuple[str, str], float] = {}
        self.runs: list[Run] = []
        for run in runs:
            self._add(run)

    @property
    def done(self) -> bool:
        """Whether every run has ended and sets off nothing more."""
        return all(run.complete for run in self.runs)

    def poll(self) -> None:
        """Look once at every run that is not complete; raises ``Transient`` when the scheduler seems to be dead."""
        for run in [run for run in self.runs if not run.complete]:
            self._refresh(run)
            found = [self._found(run, task) for task in run.tasks if task["state"] == "success"]
            run.complete = run.state in _ENDED and all(found)

    def _refresh(self, run: Run) -> None:
        seen = self._api.run(run.dag_id, run.run_id)
        run.tasks = self._api.tasks(run.dag_id, run.run_id)
        run.state = seen["state"]
        run.key = seen["partition_key"] or run.key
        run.seconds = float(seen["duration"] or 0.0)

    def _found(self, run: Run, task: Json) -> bool:
        """Take up the runs that a task's asset event set off; False while one is still to be created."""
        followers = self._sets_off.get((run.dag_id, task["task_id"]), set()) - run.set_off.keys()
        if not followers:
            return True
        result = self._api.result(run.dag_id, run.run_id, task["task_id"])
        key = result.get("key", run.key) if isinstance(result, dict) else run.key
        since = datetime.fromisoformat(task["end_date"]) - _CLOCKS_APART
        for dag_id in followers:
            for candidate in self._api.set_off(dag_id, since=since):
                if (candidate["partition_key"] or "") == key:
                    run.set_off[dag_id] = candidate["dag_run_id"]
                    self._add(candidate)
                    break
        missing = followers - run.set_off.keys()
        if missing:
            self._lose_patience(run, missing)
        return not missing

    def _lose_patience(self, run: Run, missing: set[str]) -> None:
        now = time.monotonic()
        for dag_id in missing:
            if now - self._waiting_since.setdefault((run.run_id, dag_id), now) > PATIENCE_S:
                raise Transient(
                    f"{run.dag_id} announced {run.key}, but Airflow has not started {dag_id} in {PATIENCE_S:.0f} s; "
                    "'searchloom status' tells whether its scheduler runs"
                )

    def _add(self, run: Json) -> None:
        if all(run["dag_run_id"] != known.run_id for known in self.runs):
            self.runs.append(Run(run["dag_id"], run["dag_run_id"], run["partition_key"] or "", run["state"]))


def follow(api: AirflowApi, runs: list[Json], watch: Callable[[list[Run]], None]) -> list[Run]:
    """Follow until all is done, calling ``watch`` after every look; return the runs in the order they came up."""
    follower = Follower(api, runs)
    while True:
        follower.poll()
        watch(follower.runs)
        if follower.done:
            return follower.runs
        time.sleep(POLL_S)
