"""Waits for what runs in Bailian: fine-tunes, deployments, files that are parsed, indexes that are filled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from alibaba_ai.hooks.bailian import BailianHook
from alibaba_ai.triggers.logs import end_of
from alibaba_ai.triggers.polling import End, PollingTrigger
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_jobs import Deployment, FineTune
from searchloom.cloud.bailian_rag import BailianRag, IndexJob

_LINES = 1000
_PARSED, _NOT_PARSED = "PARSE_SUCCESS", "PARSE_FAILED"


class BailianFineTuneTrigger(PollingTrigger[Bailian, FineTune]):
    """Wait for the end of a fine-tune; the event's result is the model's name.

    :param job_id: the fine-tune
    """

    def __init__(self, *, job_id: str, **common: Any) -> None:
        super().__init__(**common)
        self.job_id = job_id
        self._read = 0
        self._end: Sequence[str] = ()

    def arguments(self) -> dict[str, Any]:
        """Return the fine-tune's id."""
        return {"job_id": self.job_id}

    def subject(self) -> str:
        """Name the fine-tune."""
        return f"fine-tune {self.job_id} of Bailian"

    def connect(self) -> Bailian:
        """Make the client."""
        return BailianHook(self.conn_id).get_conn()

    def disconnect(self, client: Bailian) -> None:
        """Close the connections."""
        client.close()

    def look(self, client: Bailian) -> FineTune:
        """Ask for the fine-tune."""
        return client.fine_tune(job_id=self.job_id)

    def sentence(self, state: FineTune) -> str:
        """Say its status."""
        return f"Fine-tune {state.job_id} of {state.base_model} is {state.status}. {state.reason}".rstrip()

    def end(self, state: FineTune) -> End | None:
        """Return how it ended."""
        if not state.finished:
            return None
        if state.succeeded:
            return End("success", f"fine-tune {state.job_id} made model {state.model}", state.model)
        reason = state.reason.rstrip(".") or "no reason given"
        log = f"its log ends: {end_of(self._end)}" if self._end else "its log is empty"
        # Somebody cancelled it on purpose: the next try must not start it again behind their back.
        status = "failed" if state.status == "CANCELED" else "error"
        return End(status, f"{self.subject()} is {state.status}: {reason}; {log}")  # type: ignore[arg-type]

    def new_lines(self, client: Bailian, state: FineTune) -> Sequence[str]:
        """Return the lines after those that were read."""
        new: list[str] = []
        while lines := client.fine_tune_logs(job_id=state.job_id, offset=self._read + 1, lines=_LINES):
            self._read += len(lines)
            self._end = lines
            new += [f"[{self.job_id}] {line}" for line in lines]
            if len(lines) < _LINES:
                break
        return new

    def stop(self, client: Bailian) -> str:
        """Cancel the fine-tune."""
        client.cancel_fine_tune(job_id=self.job_id)
        return "was cancelled"


class BailianDeploymentTrigger(PollingTrigger[Bailian, Deployment]):
    """Wait until a deployment serves; the event's result is the name that calls give as model.

    :param deployment: name of the deployment
    :param capacity: so many units must serve
    """

    def __init__(self, *, deployment: str, capacity: int, **common: Any) -> None:
        super().__init__(**common)
        self.deployment = deployment
        self.capacity = capacity

    def arguments(self) -> dict[str, Any]:
        """Return what is waited for."""
        return {"deployment": self.deployment, "capacity": self.capacity}

    def subject(self) -> str:
        """Name the deployment."""
        return f"deployment {self.deployment!r} of Bailian"

    def connect(self) -> Bailian:
        """Make the client."""
        return BailianHook(self.conn_id).get_conn()

    def disconnect(self, client: Bailian) -> None:
        """Close the connections."""
        client.close()

    def look(self, client: Bailian) -> Deployment:
        """Ask for the deployment."""
        return client.deployment(name=self.deployment)

    def sentence(self, state: Deployment) -> str:
        """Say its status."""
        return f"Deployment {state.name} is {state.status}, {state.ready_capacity} of {state.capacity} units serve."

    def end(self, state: Deployment) -> End | None:
        """Return whether it serves, or that it will not."""
        if state.failed:
            return End("error", f"{self.subject()} is {state.status}; look at it in the console")
        if state.running and state.ready_capacity >= self.capacity:
            return End("success", f"deployment {state.name} serves model {state.model}", state.name)
        return None


class BailianFilesTrigger(PollingTrigger[BailianRag, Mapping[str, str]]):
    """Wait until every file is parsed; the event's result are the ids, comma-separated.

    :param file_ids: the files
    """

    def __init__(self, *, file_ids: Sequence[str], **common: Any) -> None:
        super().__init__(**common)
        self.file_ids = list(file_ids)
        self._done: dict[str, str] = {}

    def arguments(self) -> dict[str, Any]:
        """Return the files' ids."""
        return {"file_ids": self.file_ids}

    def subject(self) -> str:
        """Name what is waited for."""
        return f"the parsing of {len(self.file_ids)} files by Bailian"

    def connect(self) -> BailianRag:
        """Make the client."""
        return BailianHook(self.conn_id).rag()

    def look(self, client: BailianRag) -> Mapping[str, str]:
        """Ask for the files whose parsing has not ended."""
        statuses = dict(self._done)
        for file_id in self.file_ids:
            if file_id not in statuses:
                statuses[file_id] = client.describe_file(file_id=file_id).status
        self._done = {file: status for file, status in statuses.items() if status in {_PARSED, _NOT_PARSED}}
        return statuses

    def sentence(self, state: Mapping[str, str]) -> str:
        """Say how many files are how far."""
        return f"Files in Bailian: {_counted(state)}."

    def end(self, state: Mapping[str, str]) -> End | None:
        """Return whether all are parsed."""
        if bad := sorted(file for file, status in state.items() if status == _NOT_PARSED):
            return End(
                "failed", f"Bailian could not parse file {bad[0]!r} ({len(bad)} in all); leave it out or mend it"
            )
        if all(status == _PARSED for status in state.values()):
            return End("success", f"{len(state)} files are parsed", ",".join(self.file_ids))
        return None


class BailianIndexTrigger(PollingTrigger[BailianRag, IndexJob]):
    """Wait until a job has filled an index; the event's result is the index's id.

    :param index_id: the index
    :param job_id: the job
    """

    def __init__(self, *, index_id: str, job_id: str, **common: Any) -> None:
        super().__init__(**common)
        self.index_id = index_id
        self.job_id = job_id

    def arguments(self) -> dict[str, Any]:
        """Return the ids."""
        return {"index_id": self.index_id, "job_id": self.job_id}

    def subject(self) -> str:
        """Name the job."""
        return f"job {self.job_id} of Bailian's index {self.index_id}"

    def connect(self) -> BailianRag:
        """Make the client."""
        return BailianHook(self.conn_id).rag()

    def look(self, client: BailianRag) -> IndexJob:
        """Ask for the job."""
        return client.index_job(index_id=self.index_id, job_id=self.job_id)

    def sentence(self, state: IndexJob) -> str:
        """Say its status."""
        return f"Index job {state.job_id} is {state.status}; documents: {_counted(state.documents)}."

    def end(self, state: IndexJob) -> End | None:
        """Return how it ended."""
        if state.status == "FAILED":
            return End("error", f"{self.subject()} failed; documents: {_counted(state.documents)}")
        if state.status == "COMPLETED":
            return End("success", f"index {self.index_id} is filled", self.index_id)
        return None


def _counted(statuses: Mapping[str, str]) -> str:
    counts = Counter(statuses.values())
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none"
