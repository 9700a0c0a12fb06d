"""What Bailian keeps, as values: a fine-tune ends in a model's name, a deployment serves one, an app answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class FineTune:
    """``status``: PENDING, QUEUING, RUNNING, CANCELING, then SUCCEEDED, FAILED or CANCELED. ``model`` is the result."""

    job_id: str
    status: str
    base_model: str
    model: str
    training_files: tuple[str, ...]
    created: str
    ended: str
    trained_tokens: int
    reason: str

    @property
    def finished(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in {"SUCCEEDED", "FAILED", "CANCELED"}

    @property
    def succeeded(self) -> bool:
        """Whether there is a model now."""
        return self.status == "SUCCEEDED"

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read what the service says of a job."""
        output = body["output"]
        return cls(
            job_id=str(output["job_id"]),
            status=str(output["status"]),
            base_model=str(output.get("base_model") or output.get("model") or ""),
            model=str(output.get("finetuned_output") or ""),
            training_files=tuple(output.get("training_file_ids") or ()),
            created=str(output.get("create_time") or ""),
            ended=str(output.get("end_time") or ""),
            trained_tokens=int(output.get("usage") or 0),
            reason=str(output.get("message") or ""),
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """``status``: PENDING, DEPLOYING, RUNNING, UPDATING, FAILED or DELETING. ``name`` is what calls give as model."""

    name: str
    status: str
    model: str
    base_model: str
    capacity: int
    ready_capacity: int

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self.status == "RUNNING"

    @property
    def failed(self) -> bool:
        """Whether it will not serve any more."""
        return self.status in {"FAILED", "DELETING"}

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read what the service says of a deployment."""
        output = body["output"]
        return cls(
            name=str(output["deployed_model"]),
            status=str(output["status"]),
            model=str(output.get("model_name") or ""),
            base_model=str(output.get("base_model") or ""),
            capacity=int(output.get("capacity") or 0),
            ready_capacity=int(output.get("ready_capacity") or 0),
        )


@dataclass(frozen=True, slots=True)
class AppAnswer:
    """What an app said, from which documents (titles or names, in its order), and the id of the conversation."""

    text: str
    session_id: str
    documents: tuple[str, ...]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read the answer of an app."""
        output = body["output"]
        found = output.get("doc_references") or ()
        return cls(
            text=str(output["text"]),
            session_id=str(output.get("session_id") or ""),
            documents=tuple(str(item.get("title") or item.get("doc_name") or "") for item in found),
        )
