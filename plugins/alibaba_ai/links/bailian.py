"""Pages of the Bailian console."""

from __future__ import annotations

from alibaba_ai.links.stored import StoredLink

_CONSOLE = "https://bailian.console.aliyun.com/"


class BailianFineTuneLink(StoredLink):
    """The page of a fine-tune."""

    name = "Bailian fine-tune"
    xcom_key = "bailian_fine_tune_link"

    @classmethod
    def address(cls, *, job_id: str) -> str:
        """Return the page of a fine-tune."""
        return f"{_CONSOLE}#/efm/model_training/detail/{job_id}"


class BailianDeploymentLink(StoredLink):
    """The page of a deployment."""

    name = "Bailian deployment"
    xcom_key = "bailian_deployment_link"

    @classmethod
    def address(cls, *, name: str) -> str:
        """Return the page of a deployment."""
        return f"{_CONSOLE}#/efm/model_deploy/detail/{name}"


class BailianIndexLink(StoredLink):
    """The page of a knowledge index."""

    name = "Bailian index"
    xcom_key = "bailian_index_link"

    @classmethod
    def address(cls, *, index_id: str) -> str:
        """Return the page of an index."""
        return f"{_CONSOLE}#/knowledge-base/{index_id}"
