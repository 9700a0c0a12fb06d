"""How tasks retry, how they fail, and what they leave for the person on call."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from searchloom import settings

log = logging.getLogger(__name__)

RUNBOOK = "docs/runbook.md"


@contextmanager
def log_group(title: str) -> Iterator[None]:
    """Fold the log lines written inside under one title in the Airflow UI."""
    log.info("::group::%s", title)
    try:
        yield
    finally:
        log.info("::endgroup::")


def say_what_failed(context: Any) -> None:
    """Failure callback: one last line in the task's log, what failed and what to do."""
    task = context["ti"]
    batch = f"[{task.map_index}]" if task.map_index >= 0 else ""
    log.error(
        "%s.%s%s failed on try %d: %s. What to do: %s#%s; clearing the task is safe.",
        task.dag_id,
        task.task_id,
        batch,
        task.try_number,
        str(context.get("exception") or "no exception was recorded").rstrip("."),
        RUNBOOK,
        task.dag_id,
    )


def default_args() -> dict[str, Any]:
    """Defaults of every task: the class of an error decides whether a retry can help (``searchloom.errors``)."""
    return {
        "owner": "search",
        "retries": 4,
        "retry_delay": timedelta(seconds=settings.load().airflow.retry_delay_s),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": ExceptionRetryPolicy(
            rules=[RetryRule("searchloom.errors.Terminal", RetryAction.FAIL, reason="trying again cannot help")]
        ),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": say_what_failed,
    }
