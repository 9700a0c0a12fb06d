"""Operators as a worker runs them, up to where they defer, and triggers as a triggerer runs them."""

from __future__ import annotations

import asyncio
import json
import secrets
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferred
from airflow.triggers.base import BaseTrigger


class Store(dict[str, Any]):
    """Airflow's task state store: ``get`` and ``set`` by key."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


class Instance:
    """One task instance as ``execute`` sees it; ``again`` is its next try, with what Airflow keeps between tries."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.context = {"task_state_store": Store()}
        self.ti = SimpleNamespace(dag_id=f"dag-{secrets.token_hex(6)}", task_id="job", max_tries=2, try_number=0)
        self.ti.xcom_push = lambda key, value: self.xcoms.update({key: value})
        self.context["ti"] = self.ti
        self.again()

    def again(self, *, cleared: bool = False) -> None:
        """Go on to the next try."""
        self.ti.try_number += 1
        self.ti.max_tries += cleared
        self.ti.id = secrets.token_hex(16)

    def execute(self, operator: BaseOperator) -> Any:
        """Call ``execute`` as the task runner does."""
        return type(operator).execute.__wrapped__(operator, self.context)

    def defer(self, operator: BaseOperator) -> BaseTrigger:
        """Return the trigger that the operator defers to."""
        with pytest.raises(TaskDeferred) as deferred:
            self.execute(operator)
        return deferred.value.trigger


def outcome(trigger: BaseTrigger) -> dict[str, str]:
    """Return the trigger's first event."""

    async def first() -> dict[str, str]:
        return dict((await anext(aiter(trigger.run()))).payload)

    return asyncio.run(first())
