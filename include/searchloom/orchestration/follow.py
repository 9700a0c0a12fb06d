"""Follow runs, and the runs that their assets set off, until all of them are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from searchloom.errors import Transient
from searchloom.orchestration.api import AirflowApi, Json
from searchloom.orchestration.start import downstream

POLL_S = 1.0
PATIENCE_S = 120.0  # from an asset event until the scheduler must have created the run that it sets off

_ENDED = {"success", "failed"}


@dataclass(slots=True)
class Run:
    """One DAG run as it was seen last."""

    dag_id: str
    run_id: str
    key: str
    state: str = "queued"
    started: str = ""
    seconds: float = 0.0
    tasks: list[Json] = field(default_factory=list)
    complete: bool = False  # it has ended, and every run that it sets off is known

    @property
    def failed_tasks(self) -> list[Json]:
        """Task instances that failed themselves (not those that a failure before them stopped)."""
        return [task for task in self.tasks if task["state"] == "failed"]


class Follower:
    """A growing list of runs; ``poll`` looks at all that are not complete."""

    def __init__(self, api: AirflowApi, runs: list[Json]) -> None:
        self._api = api
        self._sets_off = downstream(api.assets())
        self._ended_at: dict[str, float] = {}
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
            if run.state in _ENDED:
                run.complete = self._knows_what_follows(run)

    def _refresh(self, run: Run) -> None:
        seen = self._api.run(run.dag_id, run.run_id)
        run.tasks = self._api.tasks(run.dag_id, run.run_id)
        run.state = seen["state"]
        run.key = seen["partition_key"] or run.key
        run.started = seen["start_date"] or ""
        run.seconds = float(seen["duration"] or 0.0)

    def _knows_what_follows(self, run: Run) -> bool:
        """Take up the runs that this one's events set off; False while one is still to be created."""
        expected = self._sets_off.get(run.dag_id, set())
        if not expected:
            return True
        created: set[str] = set()
        events = self._api.events(run.dag_id, run.run_id)
        for event in events:
            for follower in event["created_dagruns"]:
                created.add(follower["dag_id"])
                self._add(follower)
        if not events or expected <= created:
            return True
        waited = time.monotonic() - self._ended_at.setdefault(run.run_id, time.monotonic())
        if waited > PATIENCE_S:
            raise Transient(
                f"{run.dag_id} ended, but Airflow has not started {', '.join(sorted(expected - created))} in "
                f"{PATIENCE_S:.0f} s; 'searchloom status' tells whether its scheduler runs"
            )
        return False

    def _add(self, run: Json) -> None:
        if all(run["run_id" if "run_id" in run else "dag_run_id"] != known.run_id for known in self.runs):
            run_id = run.get("run_id") or run["dag_run_id"]
            self.runs.append(Run(run["dag_id"], run_id, run.get("partition_key") or "", run["state"]))


def follow(api: AirflowApi, runs: list[Json], watch: Callable[[list[Run]], None]) -> list[Run]:
    """Follow until all is done, calling ``watch`` after every look; return the runs in the order they came up."""
    follower = Follower(api, runs)
    while True:
        follower.poll()
        watch(follower.runs)
        if follower.done:
            return follower.runs
        time.sleep(POLL_S)
