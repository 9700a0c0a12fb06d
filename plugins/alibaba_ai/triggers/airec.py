"""Waits for AIRec: for data that serves, and for a ranking model that can be reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alibaba_ai.hooks.airec import AirecHook
from alibaba_ai.triggers.polling import End, PollingTrigger
from searchloom.cloud.airec import Airec

SERVING = "SERVING"
RUNNING = "Running"


@dataclass(frozen=True, slots=True)
class Serving:
    """The instance's status, and which version of its data serves."""

    status: str
    data_set: str


class AirecDataSetTrigger(PollingTrigger[Airec, Serving]):
    """Wait until a data set serves; the event's result is its version.

    :param data_set: the version that must serve; empty: any that is none of ``before``
    :param before: versions that were there before the import
    """

    def __init__(self, *, data_set: str = "", before: Sequence[str] = (), **common: Any) -> None:
        super().__init__(**common)
        self.data_set = data_set
        self.before = list(before)

    def arguments(self) -> dict[str, Any]:
        """Return what is waited for."""
        return {"data_set": self.data_set, "before": self.before}

    def subject(self) -> str:
        """Name what is waited for."""
        return f"data set {self.data_set!r} of AIRec" if self.data_set else "AIRec's import"

    def connect(self) -> Airec:
        """Make the client."""
        return AirecHook(self.conn_id).get_conn()

    def look(self, client: Airec) -> Serving:
        """Ask which data set serves."""
        status = client.state()
        return Serving(status, next((one.version_id for one in client.data_sets() if one.state == SERVING), ""))

    def sentence(self, state: Serving) -> str:
        """Say which data set serves."""
        return f"The instance of AIRec is {state.status}, its data set {state.data_set or 'none'} serves."

    def end(self, state: Serving) -> End | None:
        """Return that the right one serves."""
        right = state.data_set == self.data_set if self.data_set else state.data_set not in {"", *self.before}
        if right and state.status == RUNNING:
            return End("success", f"data set {state.data_set} of AIRec serves", state.data_set)
        return None


class AirecRankingModelTrigger(PollingTrigger[Airec, bool]):
    """Wait until AIRec reaches a ranking model; the event's result is the model's id.

    :param model_id: the model
    """

    def __init__(self, *, model_id: str, **common: Any) -> None:
        super().__init__(**common)
        self.model_id = model_id

    def arguments(self) -> dict[str, Any]:
        """Return the model's id."""
        return {"model_id": self.model_id}

    def subject(self) -> str:
        """Name the model."""
        return f"ranking model {self.model_id!r} of AIRec"

    def connect(self) -> Airec:
        """Make the client."""
        return AirecHook(self.conn_id).get_conn()

    def look(self, client: Airec) -> bool:
        """Ask whether the model can be reached."""
        return client.ranking_model_reachable(model_id=self.model_id)

    def sentence(self, state: bool) -> str:  # noqa: FBT001  a state like any other
        """Say whether it can be reached."""
        return f"AIRec {'reaches' if state else 'cannot reach'} ranking model {self.model_id}."

    def end(self, state: bool) -> End | None:  # noqa: FBT001
        """Return that it can be reached."""
        return End("success", f"AIRec reaches ranking model {self.model_id}", self.model_id) if state else None
