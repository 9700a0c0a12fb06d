"""What the sensors share: one look in the worker, the waiting in the triggerer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator

from alibaba_ai.failures import failure_of, terminal_errors_end_the_task
from alibaba_ai.triggers.polling import End, PollingTrigger
from searchloom.errors import SearchloomError


class WaitingSensor(BaseSensorOperator):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Succeed when a trigger says so; ``timeout``, ``soft_fail`` and ``poke_interval`` are those of every sensor.

    :param deferrable: wait in the triggerer; otherwise as ``mode`` says
    """

    ui_color = "#fff1e0"
    template_fields: Sequence[str] = ()

    def __init__(self, *, deferrable: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    def trigger(self) -> PollingTrigger[Any, Any]:
        """Make the trigger that waits."""
        raise NotImplementedError

    def execute(self, context: Any) -> Any:
        """Look once; wait where that is too early."""
        if not self.deferrable:
            return super().execute(context)
        if (end := self._look()) is not None:
            return self._judged(end)
        limit = timedelta(seconds=self.timeout)
        return self.defer(trigger=self.trigger(), method_name="execute_complete", timeout=limit)

    def poke(self, context: Any) -> bool:  # noqa: ARG002  the signature is Airflow's
        """Look once."""
        end = self._look()
        if end is not None:
            self._judged(end)
        return end is not None

    def execute_complete(self, context: Any, event: dict[str, str]) -> str:  # noqa: ARG002
        """Return the event's result, or fail with the trigger's one sentence."""
        if event["status"] != "success":
            raise failure_of(event)
        self.log.info("%s.", event["message"])
        return event["result"]

    def _look(self) -> End | None:
        with terminal_errors_end_the_task():
            trigger = self.trigger()
            client = trigger.connect()
            state = trigger.look(client)
            if trigger.end(state) is None:
                return None
            self._copy_lines(trigger, client, state)
            return trigger.end(state)

    def _copy_lines(self, trigger: PollingTrigger[Any, Any], client: Any, state: Any) -> None:
        """Show what the remote side wrote, where it ended before anybody waited in the triggerer."""
        try:
            lines = trigger.new_lines(client, state)
        except SearchloomError as error:
            # Its fate does not hang on its log.
            self.log.warning("The log of %s cannot be read: %s", trigger.subject(), error)
            return
        for line in lines:
            self.log.info("%s", line)

    def _judged(self, end: End) -> str:
        return self.execute_complete({}, {"status": end.status, "message": end.message, "result": end.result})
