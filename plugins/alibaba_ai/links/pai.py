"""Pages of the PAI console."""

from __future__ import annotations

from alibaba_ai.links.stored import StoredLink

_CONSOLE = "https://pai.console.aliyun.com/"


class PaiDlcJobLink(StoredLink):
    """The page of a training job."""

    name = "PAI-DLC job"
    xcom_key = "pai_dlc_job_link"

    @classmethod
    def address(cls, *, region: str, workspace_id: str, job_id: str) -> str:
        """Return the page of a job."""
        return f"{_CONSOLE}?regionId={region}&workspaceId={workspace_id}#/dlc/jobs/{job_id}/overview"


class PaiEasServiceLink(StoredLink):
    """The page of a model service."""

    name = "PAI-EAS service"
    xcom_key = "pai_eas_service_link"

    @classmethod
    def address(cls, *, region: str, workspace_id: str, service: str) -> str:
        """Return the page of a service."""
        return f"{_CONSOLE}?regionId={region}&workspaceId={workspace_id}#/eas/serviceDetail/{service}/detail"


class PaiModelLink(StoredLink):
    """The page of a registered model."""

    name = "PAI model"
    xcom_key = "pai_model_link"

    @classmethod
    def address(cls, *, workspace_id: str, model_id: str) -> str:
        """Return the page of a model."""
        return f"{_CONSOLE}?workspaceId={workspace_id}#/models/{model_id}"
