"""Keeps the processes of one service as the service should be."""

from __future__ import annotations

import logging
import random
import secrets
import shutil
import sqlite3
import threading
import time
from pathlib import Path

from localcloud.acs.errors import AcsError
from localcloud.mounts import Mount, MountError, Mounts
from localcloud.pai_eas.records import Service, Services
from localcloud.pai_eas.replica import Replica
from localcloud.pai_eas.scaler import Scaler

_log = logging.getLogger(__name__)
_POLL_S = 0.2
_FAILED_AFTER = 3
_MAX_BACKOFF_S = 30.0


class Deployment:
    """The processes of one service; its thread starts what is missing, again what died, and ends what is too much.

    A new version serves once all of its processes answer; until then the old ones do.
    """

    def __init__(self, services: Services, mounts: Mounts, name: str) -> None:
        self.name = name
        self._services = services
        self._mounts = mounts
        self._root = services.root
        self._lock = threading.Lock()
        self._replicas: list[Replica] = []
        self._served = False
        self._prepared: tuple[tuple[int, int], list[Mount]] | None = None
        self._scaler = Scaler()
        self._number = (0, 0)
        self._failures = 0
        self._not_before = 0.0
        self.problem = ""
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"eas-{name}", daemon=True)
        self._thread.start()

    # What others ask

    def replicas(self) -> list[Replica]:
        """The processes that there are now."""
        with self._lock:
            return list(self._replicas)

    def pick(self, service: Service, avoid: set[str]) -> Replica | None:
        """The process that the next request goes to: the one with the least to do, of the version that serves."""
        healthy = [each for each in self.replicas() if each.healthy and each.name not in avoid]
        wanted = [each for each in healthy if each.number == _number(service)]
        others = [each for each in healthy if each not in wanted]
        choice = wanted if len(wanted) >= service.instances or not others else others
        # Among the equally idle ones at random, which over time is in turn.
        return min(choice, key=lambda each: (each.in_flight, random.random()), default=None)  # noqa: S311

    def count_request(self) -> None:
        """Note a request, by which an autoscaler decides."""
        self._scaler.requests += 1

    def status(self, service: Service) -> tuple[str, str]:
        """The service's status and a message about it."""
        replicas = self.replicas()
        if not service.started:
            return ("Stopping", "Service is now stopping") if replicas else ("Stopped", "Service is stopped")
        wanted = [each for each in replicas if each.number == _number(service)]
        ready = sum(each.healthy for each in wanted)
        if ready == service.instances == len(replicas):
            return "Running", "Service is running"
        if not ready and self._failures >= _FAILED_AFTER:
            return "Failed", self.problem
        if any(each.healthy for each in replicas if each not in wanted):
            return "Updating", f"Service is now updating to version {service.version}"
        if self._served and ready:
            return "Scaling", "Service is now scaling"
        return (
            ("Waiting", "Service is waiting for its instances") if wanted else ("Creating", "Service is now creating")
        )

    def wake(self) -> None:
        """Look at the service now."""
        self._wake.set()

    def restart(self, names: set[str]) -> None:
        """End these processes; others take their place."""
        for replica in self.replicas():
            if replica.name in names:
                self._drop([replica])
        self.wake()

    def close(self) -> None:
        """End the thread and all processes."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=9)

    # The thread

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._wake.clear()
                try:
                    self._converge(self._services.get(self.name))
                except AcsError:
                    break
                except MountError as error:
                    self._fail(str(error))
                except (OSError, sqlite3.Error) as error:
                    _log.exception("Service %s cannot be looked after.", self.name)
                    self._fail(f"The service's files failed: {error}.")
                self._wake.wait(_POLL_S)
        finally:
            self._drop(self.replicas())

    def _converge(self, service: Service) -> None:
        if service.scaler is not None and service.started:
            instances = self._scaler.instances(service.scaler, service.instances)
            if instances != service.instances:
                self._services.change(self.name, instances=instances)
                service = self._services.get(self.name)
        number, count = _number(service), service.instances if service.started else 0
        if number != self._number:
            self._number, self._failures, self._not_before, self.problem = number, 0, 0.0, ""
        self._bury()
        replicas = [each for each in self.replicas() if not each.ending]
        wanted = [each for each in replicas if each.number == number]
        others = [each for each in replicas if each.number != number]
        for replica in wanted:
            if not replica.healthy:
                replica.probe()
        ready = [each for each in wanted if each.healthy]
        if len(ready) >= count:
            # Those that answer stay before those that do not yet.
            surplus = [*ready, *(each for each in wanted if not each.healthy)][count:]
            self._drop([*others, *surplus])
            if count:
                self._served, self._failures, self.problem = True, 0, ""
                if others:
                    self._forget_mounts_but(number)
        if len(wanted) < count and time.monotonic() >= self._not_before:
            self._start(service, count - len(wanted))

    def _bury(self) -> None:
        for replica in self.replicas():
            code = replica.exit_code
            if code is not None and not replica.ending:
                self._drop([replica])
                self._fail(f"Instance {replica.name} ended with code {code}; its log says why.")

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            _log.warning("Service %s: %s", self.name, problem)
        self.problem = problem
        self._failures += 1
        self._not_before = time.monotonic() + min(0.2 * 2**self._failures, _MAX_BACKOFF_S)

    def _start(self, service: Service, missing: int) -> None:
        mounts = self._prepare(service)
        for _ in range(missing):
            name = f"{self.name}-{service.version}-{secrets.token_hex(4)}"
            log = self.log_folder / f"{name}.log"
            replica = Replica(name, _number(service), service.config, mounts=mounts, root=self._root, log=log)
            with self._lock:
                self._replicas.append(replica)

    @property
    def log_folder(self) -> Path:
        """Where the logs of all processes lie, also of those that ended."""
        return self._root / "logs" / self.name

    def _prepare(self, service: Service) -> list[Mount]:
        number = _number(service)
        if self._prepared is None or self._prepared[0] != number:
            folder = self._mount_folder(number)
            shutil.rmtree(folder, ignore_errors=True)
            mounts = service.config.mounts(folder)
            for mount in mounts:
                self._mounts.download(mount)
            self._prepared = number, mounts
        return self._prepared[1]

    def _mount_folder(self, number: tuple[int, int]) -> Path:
        return self._root / "mounts" / self.name / "{}-{}".format(*number)

    def _forget_mounts_but(self, number: tuple[int, int]) -> None:
        keep = self._mount_folder(number)
        for folder in keep.parent.glob("*"):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)

    def _drop(self, replicas: list[Replica]) -> None:
        enders = [threading.Thread(target=replica.end) for replica in replicas]
        for thread in enders:
            thread.start()
        for thread in enders:
            thread.join()
        with self._lock:
            self._replicas = [each for each in self._replicas if each not in replicas]


def _number(service: Service) -> tuple[int, int]:
    """What a process must be of to count: the version, and the generation that a restart makes."""
    return service.version, service.generation
