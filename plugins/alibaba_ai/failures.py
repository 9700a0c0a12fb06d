"""How our errors reach Airflow: the class of an error decides whether the task is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from searchloom.errors import Terminal


@contextmanager
def terminal_errors_end_the_task() -> Iterator[None]:
    """Turn ``Terminal`` errors into ``AirflowFailException``; a ``Transient`` one is retried as Airflow is told to."""
    try:
        yield
    except Terminal as error:
        raise AirflowFailException(str(error)) from error


def failure_of(event: dict[str, str]) -> AirflowException:
    """Return the exception for a trigger's event: ``status`` is ``failed`` (for good) or ``error`` (may be retried)."""
    return AirflowFailException(event["message"]) if event["status"] == "failed" else AirflowException(event["message"])
