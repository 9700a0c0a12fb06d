"""All services with their processes, from the start of the local cloud to its end."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

from localcloud.mounts import Mounts
from localcloud.pai_eas.config import ServiceConfig
from localcloud.pai_eas.deployment import Deployment
from localcloud.pai_eas.records import Service, Services
from localcloud.pai_eas.replica import ROOT_VARIABLE
from localcloud.processes import kill_marked


class Manager:
    """One deployment for each service that is there."""

    def __init__(self, services: Services, mounts: Mounts) -> None:
        self.services = services
        self._mounts = mounts
        self._lock = threading.Lock()
        self._deployments: dict[str, Deployment] = {}

    def start(self) -> None:
        """End what a killed local cloud left, then start every service again."""
        kill_marked(ROOT_VARIABLE, str(self.services.root))
        for service in self.services.all():
            self._deploy(service.name)

    def close(self) -> None:
        """End all processes; the services stay as they should be, for the next start."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(Deployment.close, self._deployments.values()))

    def create(self, config: ServiceConfig, workspace: str | None, labels: dict[str, str]) -> Service:
        """Take a service in and start it."""
        service = self.services.create(config, workspace, labels)
        self._deploy(service.name)
        return service

    def delete(self, name: str) -> None:
        """Forget a service, and end its processes."""
        self.services.delete(name)
        with self._lock:
            deployment = self._deployments.pop(name)
        deployment.close()
        for part in ("logs", "mounts", "work"):
            shutil.rmtree(self.services.root / part / name, ignore_errors=True)

    def deployment(self, name: str) -> Deployment | None:
        """The processes of a service; None just before it has any."""
        with self._lock:
            return self._deployments.get(name)

    def serving(self, name: str) -> list[Service]:
        """The service of that name, or those of that group; empty when there is neither."""
        services = self.services.all()
        own = [service for service in services if service.name == name]
        return own or [service for service in services if service.group == name]

    def _deploy(self, name: str) -> None:
        with self._lock:
            self._deployments[name] = Deployment(self.services, self._mounts, name)
