"""One remote job for one task, whatever dies: it is noted before it is made, and whoever comes next looks for it.

Airflow's task state store keeps the notes through every try of a task. ``ResumableJobMixin`` of Airflow notes a job's
id after the job was made, so that a worker that dies in between leaves one job too many; a name that is chosen and
noted first leaves none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

_LABEL_LENGTH = 100


class RemoteJob(Protocol):
    """What is asked of a job."""

    @property
    def finished(self) -> bool:
        """Whether its status will not change any more."""

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was made for."""


J = TypeVar("J", bound=RemoteJob)


def notes_of(
    context: Any,
    key: str,
    *,
    label: str,
    find: Callable[[Mapping[str, Any]], J | None],
    stop: Callable[[J], None],
) -> dict[str, Any]:
    """Return the notes on the job to go on with, or on a new one; ``name`` in them is the new job's own.

    A retry goes on with a job that is not made yet, runs or has succeeded. A cleared task stops what is left of the
    former job. Notes that an operator adds are kept by ``store``.
    """
    ti = context["ti"]
    if known := context["task_state_store"].get(key):
        job = find(known)
        # Retries leave max_tries as it is, clearing raises it: that tells the two apart.
        is_retry = known["max_tries"] == ti.max_tries
        if is_retry and (job is None or job.succeeded or not job.finished):
            return dict(known)
        if job is not None and not job.finished:
            stop(job)
    # The id of a task instance is another one for each try, and for each Airflow that uses the account.
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", label or f"{ti.dag_id}.{ti.task_id}")[:_LABEL_LENGTH]
    notes = {"name": f"{words}-try{ti.try_number}-{ti.id}", "max_tries": ti.max_tries}
    store(context, key, notes)
    return notes


def store(context: Any, key: str, notes: Mapping[str, Any]) -> None:
    """Keep notes for whoever comes next."""
    context["task_state_store"].set(key, dict(notes))
