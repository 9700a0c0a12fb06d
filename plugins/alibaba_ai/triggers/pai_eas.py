"""Waits for a service of PAI-EAS to serve what was asked for, or to be gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.triggers.logs import end_of
from alibaba_ai.triggers.polling import End, PollingTrigger
from searchloom.cloud.pai_eas import PaiEas, Service

_LINES = 500


class PaiEasServiceTrigger(PollingTrigger[PaiEas, Service]):
    """Wait until a service runs completely; the event's result is its URL. A roll-out goes on when nobody waits.

    :param service: name of the service
    :param version: the version that must serve, or a later one
    :param exactly: a later version does not do (a roll-back)
    :param instances: so many instances must be asked for; None: however many are
    :param since: UTC time from which on the log is copied, ``2026-01-31 10:00:00``; empty: it is not copied
    """

    def __init__(
        self,
        *,
        service: str,
        version: int = 0,
        exactly: bool = False,
        instances: int | None = None,
        since: str = "",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.service = service
        self.version = version
        self.exactly = exactly
        self.instances = instances
        self.since = since
        self._page, self._shown = 1, 0
        self._end: Sequence[str] = ()

    def arguments(self) -> dict[str, Any]:
        """Return what is waited for."""
        names = ("service", "version", "exactly", "instances", "since")
        return {name: getattr(self, name) for name in names}

    def subject(self) -> str:
        """Name the service."""
        return f"service {self.service!r} of PAI-EAS"

    def connect(self) -> PaiEas:
        """Make the client."""
        return PaiHook(self.conn_id).eas()

    def look(self, client: PaiEas) -> Service:
        """Ask for the service."""
        return client.describe(name=self.service)

    def sentence(self, state: Service) -> str:
        """Say the service's status."""
        return (
            f"Service {state.name} is {state.status} at version {state.version}, "
            f"{state.running_instances} of {state.instances} instances run. {state.message}"
        ).rstrip()

    def end(self, state: Service) -> End | None:
        """Return whether it serves, or why it will not."""
        if state.failed:
            reason = (state.message or state.reason).rstrip(".")
            log = f"its log ends: {end_of(self._end)}" if self._end else "its log is empty"
            return End("error", f"{self.subject()} is {state.status}: {reason}; {log}")
        if self._serves(state):
            return End("success", f"service {state.name} runs at version {state.version}", state.url)
        return None

    def new_lines(self, client: PaiEas, state: Service) -> Sequence[str]:
        """Return what is new in the log, which only grows: a full page stays as it is."""
        new: list[str] = []
        while self.since:
            lines = client.logs(name=state.name, page=self._page, lines=_LINES, since=self.since)
            new += [f"[{self.service}] {line}" for line in lines[self._shown :]]
            self._shown, self._end = len(lines), lines or self._end
            if len(lines) < _LINES:
                break
            self._page, self._shown = self._page + 1, 0
        return new

    def _serves(self, state: Service) -> bool:
        complete = state.running_instances >= state.instances and self.instances in {None, state.instances}
        right = state.version == self.version if self.exactly else state.version >= self.version
        return state.running and complete and right


class PaiEasServiceGoneTrigger(PollingTrigger[PaiEas, Service | None]):
    """Wait until there is no service of a name; the event's result is the name."""

    def __init__(self, *, service: str, **common: Any) -> None:
        super().__init__(**common)
        self.service = service

    def arguments(self) -> dict[str, Any]:
        """Return the service's name."""
        return {"service": self.service}

    def subject(self) -> str:
        """Name what is waited for."""
        return f"the end of service {self.service!r} of PAI-EAS"

    def connect(self) -> PaiEas:
        """Make the client."""
        return PaiHook(self.conn_id).eas()

    def look(self, client: PaiEas) -> Service | None:
        """Ask for the service."""
        return client.find(name=self.service)

    def sentence(self, state: Service | None) -> str:
        """Say whether it is there."""
        return f"Service {self.service} is {state.status if state else 'gone'}."

    def end(self, state: Service | None) -> End | None:
        """Return that it is gone."""
        return None if state else End("success", f"service {self.service} is gone", self.service)
