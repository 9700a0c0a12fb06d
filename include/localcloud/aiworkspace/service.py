"""AIWorkSpace as one product: workspaces here, the model registry beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from localcloud.acs.errors import missing_parameter, text_in
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.aiworkspace.models import ModelRegistry
from localcloud.records import Record, Records, open_database
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import iso_time

_WORKSPACE = "/api/v1/workspaces/{workspace}"
_FIELDS = ("Description", "DisplayName", "EnvTypes", "WorkspaceName", "ResourceGroupId")
_OF_ACCOUNT = ""
_FIRST_ID = 10001


class AiWorkspaceService:
    """Workspaces that are names, and the models that are kept in them."""

    def __init__(self, root: Path) -> None:
        self._database = open_database(root)
        self._workspaces = Records(self._database, "Workspace")
        self._models = ModelRegistry(self._database)
        with self._database.transaction():
            if not self._workspaces.all(_OF_ACCOUNT):
                self._add({"WorkspaceName": "default", "DisplayName": "default", "EnvTypes": ["prod"]})

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        operations = {
            "CreateWorkspace": Operation("POST", "/api/v1/workspaces", self.create_workspace),
            "ListWorkspaces": Operation("GET", "/api/v1/workspaces", self.list_workspaces),
            "GetWorkspace": Operation("GET", _WORKSPACE, self.get_workspace),
            "UpdateWorkspace": Operation("PUT", _WORKSPACE, self.update_workspace),
            "DeleteWorkspace": Operation("DELETE", _WORKSPACE, self.delete_workspace),
        }
        return Product("aiworkspace", "2021-02-04", {**operations, **self._models.operations()})

    def create_workspace(self, request: AcsRequest) -> dict[str, Any]:
        """Make a workspace; its name is taken once."""
        asked = request.json()
        name = text_in(asked, "WorkspaceName")
        if not name:
            raise missing_parameter("WorkspaceName")
        with self._database.transaction():
            if any(record.content["WorkspaceName"] == name for record in self._workspaces.all(_OF_ACCOUNT)):
                raise self._workspaces.duplicate(name)
            return {"WorkspaceId": self._add({field: asked[field] for field in _FIELDS if field in asked})}

    def list_workspaces(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the workspaces that the filters leave."""
        name = request.query.get("WorkspaceName") or ""
        ids = [part for part in request.query.get("WorkspaceIds", "").split(",") if part]
        found = [
            record
            for record in self._workspaces.all(_OF_ACCOUNT)
            if name in record.content["WorkspaceName"] and (not ids or record.id in ids)
        ]
        if request.descending(default="asc"):
            found.reverse()
        page = request.page(found, default_size=20)
        return {"Workspaces": [_view(record) for record in page], "TotalCount": len(found)}

    def get_workspace(self, request: AcsRequest) -> dict[str, Any]:
        """One workspace."""
        return _view(self._workspaces.get(_OF_ACCOUNT, request.path_parameters["workspace"]))

    def update_workspace(self, request: AcsRequest) -> dict[str, Any]:
        """Change what is said about a workspace."""
        changes = {name: value for name, value in request.json().items() if name in {"Description", "DisplayName"}}
        self._workspaces.change(_OF_ACCOUNT, request.path_parameters["workspace"], changes)
        return {}

    def delete_workspace(self, request: AcsRequest) -> dict[str, Any]:
        """Forget a workspace."""
        self._workspaces.delete(_OF_ACCOUNT, request.path_parameters["workspace"])
        return {}

    def _add(self, content: dict[str, Any]) -> str:
        taken = [int(record.id) for record in self._workspaces.all(_OF_ACCOUNT)]
        workspace_id = str(max([_FIRST_ID - 1, *taken]) + 1)
        self._workspaces.add(_OF_ACCOUNT, workspace_id, content)
        return workspace_id


def _view(record: Record) -> dict[str, Any]:
    return {
        **record.content,
        "WorkspaceId": record.id,
        "Status": "ENABLED",
        "IsDefault": record.id == str(_FIRST_ID),
        "Creator": ACCOUNT_ID,
        "GmtCreateTime": iso_time(record.created_ms),
        "GmtModifiedTime": iso_time(record.modified_ms),
    }
