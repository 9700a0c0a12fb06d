"""Pages of the PAI console; operators store the address as an XCom before they defer."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

_CONSOLE = "https://pai.console.aliyun.com/"


class _StoredLink(BaseOperatorLink):  # type: ignore[misc]  # Airflow is Any to mypy here
    """A link whose address the operator stored under ``xcom_key``."""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002  the signature is Airflow's
        """Return the stored address, or nothing while there is none."""
        return str(XCom.get_value(key=self.xcom_key, ti_key=ti_key) or "")


class PaiDlcJobLink(_StoredLink):
    """The page of a training job."""

    name = "PAI-DLC job"
    xcom_key = "pai_dlc_job_link"

    @classmethod
    def address(cls, *, region: str, workspace_id: str, job_id: str) -> str:
        """Return the page of a job."""
        return f"{_CONSOLE}?regionId={region}&workspaceId={workspace_id}#/dlc/jobs/{job_id}/overview"


class PaiEasServiceLink(_StoredLink):
    """The page of a model service."""

    name = "PAI-EAS service"
    xcom_key = "pai_eas_service_link"

    @classmethod
    def address(cls, *, region: str, workspace_id: str, service: str) -> str:
        """Return the page of a service."""
        return f"{_CONSOLE}?regionId={region}&workspaceId={workspace_id}#/eas/serviceDetail/{service}/detail"
