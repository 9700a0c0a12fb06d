"""A link whose address an operator stored as an XCom before it deferred."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom


class StoredLink(BaseOperatorLink):  # type: ignore[misc]  # Airflow is Any to mypy here
    """A page of a console; a subclass says what it is called and how its address is made."""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  the signature is Airflow's
        """Return the stored address, or nothing while there is none."""
        return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")

    def store(self, context: Any, address: str) -> None:
        """Keep the address for the task that runs."""
        context["ti"].xcom_push(key=self.xcom_key, value=address)
