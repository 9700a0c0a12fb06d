"""What dies while ``train_models`` runs: workers, trainings, services, engines and parts of the stack."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from searchloom.orchestration.api import Json
from searchloom.settings import EngineName
from tests.dags.live import Live, wait_for
from tests.engine_servers import EngineServers

log = logging.getLogger(__name__)

DAG = "train_models"
PATIENCE_S = 1500
SERVICE_VARIABLE = "LOCALCLOUD_EAS_STATE"
"""Every process of a model service has it, with the state folder of its local cloud."""


@dataclass(frozen=True)
class Victims:
    """Kills during one run; each waits for its moment, and fails the test when the run ends before it."""

    live: Live
    run_id: str
    engines: EngineServers

    def worker(self, task_id: str) -> None:
        """Kill the worker that runs a task."""

        def look() -> psutil.Process | None:
            task = self._task(task_id, "running")
            return self.live.workers().get(task["id"]) if task else None

        wait_for(look, patience_s=PATIENCE_S, what=f"a worker in {task_id}", every_s=0.1).kill()
        log.info("killed the worker of %s", task_id)

    def training(self, task_id: str) -> None:
        """Kill the processes of the job that a task waits for."""
        self._wait_for_task(task_id, "deferred")
        module = f"searchloom.training.{task_id.removeprefix('train_')}"
        self._kill(lambda one: module in _told(one) and str(self.live.settings.state) in _told(one), module)
        log.info("killed the training of %s", task_id)

    def service(self, task_id: str) -> None:
        """Kill the processes of the model services that a task puts up."""
        self._wait_for_task(task_id, "running")
        self._kill(lambda one: str(self.live.settings.state) in _environment(one, SERVICE_VARIABLE), "a model service")
        log.info("killed the model service in %s", task_id)

    def engine(self, task_id: str, name: EngineName) -> None:
        """Kill an engine while a task runs, and start it again."""
        self._wait_for_task(task_id, "running")
        self.engines.kill(name)
        log.info("killed %s in %s", name, task_id)
        self.engines.start()

    def part(self, task_id: str, part: str, state: str = "running") -> None:
        """Kill a part of the stack while a task is in a state, and start it again."""
        self._wait_for_task(task_id, state)
        self.live.kill(part)
        log.info("killed %s in %s", part, task_id)
        self.live.up()

    def _wait_for_task(self, task_id: str, state: str) -> None:
        wait_for(
            lambda: self._task(task_id, state), patience_s=PATIENCE_S, what=f"{task_id} to be {state}", every_s=0.1
        )

    def _task(self, task_id: str, state: str) -> Json | None:
        """A task instance (any of a mapped one) that is in this state; a run that has ended is told as it was."""
        run = self.live.api.run(DAG, self.run_id)
        assert run["state"] in {"queued", "running"}, self.live.story(DAG, self.run_id)
        found = [one for one in self.live.api.tasks(DAG, self.run_id) if one["task_id"] == task_id]
        return next((one for one in found if one["state"] == state), None)

    def _kill(self, is_victim: Callable[[psutil.Process], bool], what: str) -> None:
        def look() -> list[psutil.Process] | None:
            return [one for one in psutil.process_iter() if is_victim(one)] or None

        for process in wait_for(look, patience_s=120, what=what, every_s=0.1):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _told(process: psutil.Process) -> str:
    """Command and folder of a process: whose it is."""
    try:
        return " ".join([*process.cmdline(), process.cwd()])
    except psutil.Error:
        return ""


def _environment(process: psutil.Process, variable: str) -> str:
    try:
        return str(process.environ().get(variable, ""))
    except psutil.Error:
        return ""
