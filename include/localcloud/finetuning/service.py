"""Fine-tunes and deployments put together, as more calls of DashScope."""

from __future__ import annotations

from pathlib import Path

from localcloud.dashscope.service import DashScopeService, Route, route
from localcloud.finetuning.deployments import Deployments, warm_up_with
from localcloud.finetuning.fine_tunes import FineTunes
from localcloud.finetuning.jobs import Jobs

_JOBS = "/api/v1/fine-tunes"
_DEPLOYMENTS = "/api/v1/deployments"


class FineTuningService:
    """Adds its calls to ``dashscope``, whose files it trains on and whose catalogue it adds models to."""

    def __init__(self, root: Path, dashscope: DashScopeService) -> None:
        jobs = Jobs(root)
        self._fine_tunes = FineTunes(jobs, dashscope.files, dashscope.cache)
        self._deployments = Deployments(root, jobs, dashscope.catalogue, warm_up_with(dashscope.language_model))
        dashscope.serve(self._routes())

    def start(self) -> None:
        """Begin; what a killed local cloud left is found again."""
        self._fine_tunes.supervisor.start()
        self._deployments.start()

    def close(self) -> None:
        """Let go of what runs, without ending it."""
        self._deployments.close()
        self._fine_tunes.supervisor.close()

    def _routes(self) -> list[Route]:
        tunes, deployments = self._fine_tunes, self._deployments
        job, deployment = f"{_JOBS}/{{job}}", f"{_DEPLOYMENTS}/{{name}}"
        return [
            route("CreateFineTune", "POST", _JOBS, tunes.create),
            route("ListFineTunes", "GET", _JOBS, tunes.page),
            route("GetFineTune", "GET", job, tunes.get),
            route("DeleteFineTune", "DELETE", job, tunes.delete),
            route("CancelFineTune", "POST", f"{job}/cancel", tunes.cancel),
            route("GetFineTuneLogs", "GET", f"{job}/logs", tunes.logs),
            route("StreamFineTune", "GET", f"{job}/stream", tunes.stream),
            route("CreateDeployment", "POST", _DEPLOYMENTS, deployments.create),
            route("ListDeployments", "GET", _DEPLOYMENTS, deployments.page),
            route("ListDeployableModels", "GET", f"{_DEPLOYMENTS}/models", deployments.deployable),
            route("GetDeployment", "GET", deployment, deployments.get),
            route("DeleteDeployment", "DELETE", deployment, deployments.delete),
            route("ScaleDeployment", "PUT", f"{deployment}/scale", deployments.scale),
        ]
