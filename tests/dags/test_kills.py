"""Twenty kills (-9) of workers, the triggerer and the local cloud while jobs of PAI-DLC run: one job for each run."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Sequence

import psutil
import pytest

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import PaiDlc
from searchloom.orchestration.api import Json
from tests.dags.live import Live, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

log = logging.getLogger(__name__)

DAG, TASK, FOLDER = "pai_dlc_job", "job", "examples/kills"
KILLS = {"worker": 6, "task process": 4, "triggerer": 4, "local cloud": 6}
SIDE_BY_SIDE = 4
SECONDS = range(5, 31)
PATIENCE_S = 600


class Runs:
    """Runs of the example, some of them always under way: ``started`` holds the seconds that each one's job takes."""

    def __init__(self, live: Live, chance: random.Random) -> None:
        self._live = live
        self._chance = chance
        self._ended: set[str] = set()
        self.started: dict[str, int] = {}

    def top_up(self) -> None:
        """Start runs until so many are under way."""
        while len(self.under_way()) < SIDE_BY_SIDE:
            seconds = self._chance.choice(SECONDS)
            words = f"run {len(self.started)}"
            run_id = self._live.start(DAG, seconds=seconds, words=words, folder=f"{FOLDER}/{len(self.started)}")
            self.started[run_id] = seconds

    def under_way(self) -> list[str]:
        """The runs that did not end."""
        going = [run for run in self.started if run not in self._ended]
        self._ended |= {run for run in going if self._live.api.run(DAG, run)["state"] in {"success", "failed"}}
        return [run for run in going if run not in self._ended]

    def tasks(self) -> list[Json]:
        """The task instances of the runs that did not end."""
        return [self._live.task(DAG, run, TASK) for run in self.under_way()]


def busy_worker(live: Live, runs: Runs) -> psutil.Process | None:
    """Return a worker in the middle of a task that has tries left.

    What Airflow does not promise is left out: a task whose worker dies before it told the scheduler that the task
    runs stays queued until the scheduler starts again.
    """
    running = {t["id"] for t in runs.tasks() if t["state"] == "running" and t["try_number"] <= t["max_tries"]}
    return next((process for task, process in live.workers().items() if task in running), None)


def kill(live: Live, runs: Runs, victim: str, chance: random.Random) -> None:
    if victim == "triggerer":
        live.kill("airflow-triggerer")
    elif victim == "local cloud":
        live.kill("localcloud")
    else:
        kill_worker(live, runs, victim, chance)
    live.up()


def kill_worker(live: Live, runs: Runs, victim: str, chance: random.Random) -> None:
    """Kill a worker, or the process of the task below it, somewhere between the task's begin and its end."""

    def look() -> psutil.Process | None:
        runs.top_up()
        process = busy_worker(live, runs)
        if process is None:
            return None
        time.sleep(chance.uniform(0, 3))
        if process not in live.workers().values():
            return None  # it was faster
        try:
            children = process.children()
            if victim == "worker" or children:
                (process if victim == "worker" else children[0]).kill()
                return process
        except psutil.NoSuchProcess:
            pass
        return None

    wait_for(look, patience_s=PATIENCE_S, what="a worker that runs a task", every_s=0.1)


def test_twenty_kills_end_in_one_job_and_one_green_task_for_each_run(live: Live) -> None:
    seed = random.SystemRandom().randrange(10_000)
    chance = random.Random(seed)
    victims = [victim for victim, count in KILLS.items() for _ in range(count)]
    assert len(victims) == 20
    chance.shuffle(victims)
    runs, before = Runs(live, chance), jobs(dlc_of(live))
    for victim in victims:
        runs.top_up()
        time.sleep(chance.uniform(0, 5))
        log.info("kill (seed %d): %s, with %d runs started", seed, victim, len(runs.started))
        kill(live, runs, victim, chance)
    ended = {run: live.ended(DAG, run, patience_s=PATIENCE_S) for run in runs.started}
    failures = [live.story(DAG, run) for run, state in ended.items() if state != "success"]
    assert failures == [], f"seed {seed}"
    check_jobs(live, list(runs.started), list(runs.started.values()), before=before)


def check_jobs(live: Live, runs: Sequence[str], seconds: Sequence[int], *, before: set[str]) -> None:
    """Each run has the one job that its task names, which ran once from its first second to its last."""
    dlc, oss = dlc_of(live), Oss(live.settings.oss)
    tasks = [live.task(DAG, run, TASK) for run in runs]
    log.info("%d runs, tries: %s", len(runs), Counter(task["try_number"] for task in tasks))
    assert {task["state"] for task in tasks} == {"success"}
    results = [live.api.result(DAG, run, TASK) for run in runs]
    assert Counter(jobs(dlc) - before) == Counter(results)
    for number, (job, length) in enumerate(zip(results, seconds, strict=True)):
        state = dlc.get(job_id=job)
        assert state.succeeded
        (pod,) = state.pods
        lines = [line for line in dlc.logs(job_id=job, pod_id=pod.pod_id) if line.startswith("second ")]
        assert lines == [f"second {second}" for second in range(1, length + 1)]
        assert oss.get(f"{FOLDER}/{number}/words.txt") == f"run {number}\n".encode()


def dlc_of(live: Live) -> PaiDlc:
    return PaiDlc(live.settings.acs, workspace_id=live.settings.pai.workspace_id)


def jobs(dlc: PaiDlc) -> set[str]:
    return {job.job_id for job in dlc.list(name=f"{DAG}.{TASK}-try")}
