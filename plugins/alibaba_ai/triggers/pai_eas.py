"""Waits for a service of PAI-EAS to serve the version that was asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.triggers.logs import end_of
from searchloom.cloud.pai_eas import PaiEas, Service
from searchloom.errors import SearchloomError, Terminal, Transient

_PATIENCE_S = 900.0
"""So long PAI-EAS may be away; the roll-out goes on meanwhile."""

_LINES = 500


class PaiEasServiceTrigger(BaseTrigger):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Poll until the service runs, then yield one event: ``{"status", "url", "message"}``.

    ``status`` is ``success``, ``failed`` (trying again cannot help) or ``error`` (it may).

    :param alibaba_pai_conn_id: id of the connection
    :param service: name of the service
    :param version: the version that must serve, or a later one
    :param poll_interval_s: seconds between two looks
    :param since: UTC time from which on the log is copied, ``2026-01-31 10:00:00``
    :param deadline: seconds since the epoch after which nobody waits any more; None: never
    """

    def __init__(
        self,
        *,
        alibaba_pai_conn_id: str,
        service: str,
        version: int,
        poll_interval_s: float,
        since: str,
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self.alibaba_pai_conn_id = alibaba_pai_conn_id
        self.service = service
        self.version = version
        self.poll_interval_s = poll_interval_s
        self.since = since
        self.deadline = deadline
        self._page, self._shown = 1, 0
        self._end: Sequence[str] = ()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the constructor's arguments."""
        return "alibaba_ai.triggers.pai_eas.PaiEasServiceTrigger", {
            "alibaba_pai_conn_id": self.alibaba_pai_conn_id,
            "service": self.service,
            "version": self.version,
            "poll_interval_s": self.poll_interval_s,
            "since": self.since,
            "deadline": self.deadline,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the service runs or has failed."""
        url = ""
        try:
            eas = await asyncio.to_thread(PaiHook(self.alibaba_pai_conn_id).eas)
            service = await self._settled(eas)
            url = service.url
            status, message = self._outcome(service)
        except Terminal as error:
            status, message = "failed", str(error)
        except (SearchloomError, AirflowException, TimeoutError) as error:
            status, message = "error", str(error)
        yield TriggerEvent({"status": status, "url": url, "message": message})

    async def _settled(self, eas: PaiEas) -> Service:
        said, seen_at = "", time.monotonic()
        while True:
            try:
                service = await asyncio.to_thread(eas.describe, name=self.service)
            except Transient as error:
                if time.monotonic() - seen_at > _PATIENCE_S:
                    raise
                self.log.warning("The state of service %s is not known now: %s", self.service, error)
            else:
                seen_at = time.monotonic()
                if (state := _state(service)) != said:
                    self.log.info("%s", state)
                    said = state
                await self._copy_logs(eas)
                if service.failed or self._serves(service):
                    return service
            if self.deadline is not None and time.time() > self.deadline:
                raise TimeoutError(f"service {self.service!r} did not run within the task's execution_timeout: {said}")
            await asyncio.sleep(self.poll_interval_s)

    def _serves(self, service: Service) -> bool:
        complete = service.running_instances >= service.instances
        return service.running and complete and service.version >= self.version

    async def _copy_logs(self, eas: PaiEas) -> None:
        """Show what is new; the log only grows, so that a full page stays as it is."""
        while True:
            try:
                lines = await asyncio.to_thread(
                    eas.logs, name=self.service, page=self._page, lines=_LINES, since=self.since
                )
            except SearchloomError as error:
                # The roll-out's fate does not hang on its log.
                self.log.warning("The log of service %s cannot be read: %s", self.service, error)
                return
            for line in lines[self._shown :]:
                self.log.info("[%s] %s", self.service, line)
            self._shown, self._end = len(lines), lines or self._end
            if len(lines) < _LINES:
                return
            self._page, self._shown = self._page + 1, 0

    def _outcome(self, service: Service) -> tuple[str, str]:
        if not service.failed:
            return "success", f"service {service.name} runs at version {service.version}"
        reason = (service.message or service.reason).rstrip(".")
        log = f"its log ends: {end_of(self._end)}" if self._end else "its log is empty"
        return "error", f"service {service.name!r} of PAI-EAS is {service.status}: {reason}; {log}"


def _state(service: Service) -> str:
    return (
        f"Service {service.name} is {service.status} at version {service.version}, "
        f"{service.running_instances} of {service.instances} instances run. {service.message}"
    )
