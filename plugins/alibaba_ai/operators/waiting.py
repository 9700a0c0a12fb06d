"""What the operators for long jobs share: the worker starts, a trigger waits, one sentence tells how it ended."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from airflow.sdk import BaseOperator

from alibaba_ai.failures import failure_of
from alibaba_ai.triggers.polling import PollingTrigger, first_event


class WaitingOperator(BaseOperator):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Start something remote, then wait for its end in the triggerer, or in the worker.

    :param poll_interval_s: seconds between two looks
    :param deferrable: wait in the triggerer; otherwise in the worker
    """

    ui_color = "#fff1e0"

    def __init__(self, *, poll_interval_s: float = 10, deferrable: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.poll_interval_s = poll_interval_s
        self.deferrable = deferrable

    def wait(self, context: Any, trigger: PollingTrigger[Any, Any], then: str = "execute_complete") -> Any:
        """Wait for the trigger's event and go on with the method ``then`` of the operator."""
        if self.deferrable:
            self.defer(trigger=trigger, method_name=then)
        return getattr(self, then)(context, asyncio.run(first_event(trigger)))

    def execute_complete(self, context: Any, event: dict[str, str]) -> str:  # noqa: ARG002  the signature is Airflow's
        """Return the event's result, or fail with the trigger's one sentence."""
        return self.succeeded(event)

    def succeeded(self, event: dict[str, str]) -> str:
        """Return the result of an event that says success; raise the failure of any other."""
        if event["status"] != "success":
            raise failure_of(event)
        message = event["message"]
        self.log.info("%s.", message[:1].upper() + message[1:])
        return event["result"]

    def deadline(self) -> float | None:
        """When waiting ends, in seconds since the epoch: Airflow itself does not count the time of a trigger."""
        limit = self.execution_timeout
        return time.time() + limit.total_seconds() if limit else None
