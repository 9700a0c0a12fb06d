"""Waits for anything remote by looking at it now and then: one loop for every trigger of this provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from airflow.sdk.exceptions import AirflowException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from searchloom.errors import SearchloomError, Terminal, Transient

Client = TypeVar("Client")
State = TypeVar("State")

PATIENCE_S = 900.0
"""So long a service may be away; what runs there goes on meanwhile, and a later try of the task finds it again."""

RECONNECT_S = 1800.0
"""The keys of an assumed role end after an hour, and somebody may have changed the connection."""


@dataclass(frozen=True, slots=True)
class End:
    """How waiting ended: ``failed`` means that trying again cannot help, ``error`` that it may."""

    status: Literal["success", "failed", "error"]
    message: str
    result: str = ""


class PollingTrigger(BaseTrigger, Generic[Client, State]):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Look until there is an end, then yield one event: ``{"status", "message", "result"}``.

    The methods that a subclass writes may block: each of them runs in a thread of its own.

    :param conn_id: id of the connection
    :param poll_interval_s: seconds between two looks
    :param deadline: seconds since the epoch after which nobody waits any more; None: never
    """

    def __init__(self, *, conn_id: str, poll_interval_s: float, deadline: float | None = None) -> None:
        super().__init__()
        self.conn_id = conn_id
        self.poll_interval_s = poll_interval_s
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the constructor's arguments."""
        common = {"conn_id": self.conn_id, "poll_interval_s": self.poll_interval_s, "deadline": self.deadline}
        return f"{type(self).__module__}.{type(self).__qualname__}", common | self.arguments()

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments that a subclass adds."""
        raise NotImplementedError

    def subject(self) -> str:
        """Name what is waited for, as it goes into sentences: ``job dlc-1 of PAI-DLC``."""
        raise NotImplementedError

    def connect(self) -> Client:
        """Make the client."""
        raise NotImplementedError

    def look(self, client: Client) -> State:
        """Ask how things stand."""
        raise NotImplementedError

    def sentence(self, state: State) -> str:
        """Say how things stand; shown whenever it changes."""
        raise NotImplementedError

    def end(self, state: State) -> End | None:
        """Return how it ended, or None while it goes on."""
        raise NotImplementedError

    def new_lines(self, client: Client, state: State) -> Sequence[str]:  # noqa: ARG002  for subclasses
        """Return what the remote side has written since the last look."""
        return ()

    def stop(self, client: Client) -> str:  # noqa: ARG002  for subclasses
        """Stop what runs and say so; nothing, where giving up waiting must not stop it."""
        return ""

    def disconnect(self, client: Client) -> None:
        """Let go of the client's connections, where it keeps any."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the end."""
        try:
            end = await self._follow()
        except Terminal as error:
            end = End("failed", str(error))
        except (SearchloomError, AirflowException) as error:
            end = End("error", str(error))
        yield TriggerEvent(asdict(end))

    async def on_kill(self) -> None:
        """Stop it: a person marked the task, or cleared it. A triggerer that restarts does not come here."""
        client = await asyncio.to_thread(self.connect)
        said = await asyncio.to_thread(self.stop, client)
        self.disconnect(client)
        if said:
            self.log.info("%s %s.", _capital(self.subject()), said)

    async def _follow(self) -> End:
        client, connected_at = await asyncio.to_thread(self.connect), time.monotonic()
        said, seen_at = "", time.monotonic()
        while True:
            try:
                if time.monotonic() - connected_at > RECONNECT_S:
                    client = await self._reconnected(client)
                    connected_at = time.monotonic()
                state = await asyncio.to_thread(self.look, client)
            except Transient as error:
                if time.monotonic() - seen_at > PATIENCE_S:
                    raise
                self.log.warning("How %s stands is not known now: %s", self.subject(), error)
            else:
                seen_at = time.monotonic()
                if (sentence := self.sentence(state)) != said:
                    self.log.info("%s", sentence)
                    said = sentence
                await self._copy_lines(client, state)
                if (end := self.end(state)) is not None:
                    self.disconnect(client)
                    return end
            if self.deadline is not None and time.time() > self.deadline:
                stopped = await asyncio.to_thread(self.stop, client)
                done = f" and {stopped}" if stopped else ""
                return End("error", f"{self.subject()} took longer than the task's execution_timeout{done}; {said}")
            await asyncio.sleep(self.poll_interval_s)

    async def _reconnected(self, client: Client) -> Client:
        fresh = await asyncio.to_thread(self.connect)
        self.disconnect(client)
        return fresh

    async def _copy_lines(self, client: Client, state: State) -> None:
        try:
            lines = await asyncio.to_thread(self.new_lines, client, state)
        except SearchloomError as error:
            # Its fate does not hang on its log.
            self.log.warning("The log of %s cannot be read: %s", self.subject(), error)
            return
        for line in lines:
            self.log.info("%s", line)


async def first_event(trigger: BaseTrigger) -> dict[str, str]:
    """Return what the trigger yields: for a worker that waits itself."""
    event = await anext(aiter(trigger.run()))
    return dict(event.payload)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
