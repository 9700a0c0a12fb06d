"""The calls of PAI-DSW 2022-01-01 that make, find, stop, start and delete instances.

An instance is its mounted data: ``InstanceUrl`` is the folder where it lies. No notebook is served here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter, object_in, objects_in, text_in
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.mounts import MountError, Mounts, parse_uri
from localcloud.pai_dsw.keeper import OF_ACCOUNT, Keeper
from localcloud.records import Record, Records, new_id, open_database
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import iso_time, now_ms

_INSTANCES = "/api/v2/instances"
_INSTANCE = f"{_INSTANCES}/{{instance}}"
_NAME = re.compile(r"[A-Za-z0-9_]{1,27}")
_KEPT = ("Accessibility", "EcsSpec", "EnvironmentVariables", "ImageId", "ImageUrl", "InstanceName", "WorkspaceId")
_STOPPABLE = frozenset({"Creating", "ResourceAllocating", "EnvPreparing", "Starting", "Running", "Queuing"})
_RESTARTABLE = frozenset({"Stopped", "Failed"})


class DswService:
    """Instances below one state folder."""

    def __init__(self, root: Path, mounts: Mounts) -> None:
        self._database = open_database(root)
        self._instances = Records(self._database, "Instance")
        self.keeper = Keeper(self._instances, mounts, root)

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        operations = {
            "CreateInstance": Operation("POST", _INSTANCES, self.create),
            "ListInstances": Operation("GET", _INSTANCES, self.page),
            "GetInstance": Operation("GET", _INSTANCE, self.get),
            "StopInstance": Operation("PUT", f"{_INSTANCE}/stop", self.stop),
            "StartInstance": Operation("PUT", f"{_INSTANCE}/start", self.start),
            "DeleteInstance": Operation("DELETE", _INSTANCE, self.delete),
        }
        return Product("pai_dsw", "2022-01-01", operations)

    def create(self, request: AcsRequest) -> dict[str, Any]:
        """Make an instance, whose name is taken once; it starts by itself."""
        asked = request.json()
        content = _checked(asked) | {"Status": "Creating", "Datasets": _datasets_of(asked)}
        with self._database.transaction():
            for record in self._instances.all(OF_ACCOUNT):
                if record.content["InstanceName"] == content["InstanceName"]:
                    raise self._instances.duplicate(content["InstanceName"])
            instance = new_id("dsw")
            self._instances.add(OF_ACCOUNT, instance, content)
        self.keeper.wake()
        return _answer(instance)

    def get(self, request: AcsRequest) -> dict[str, Any]:
        """One instance."""
        record = self._record(request)
        return _answer(record.id) | self._view(record)

    def page(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the instances that the filters leave."""
        filters = {name: request.query.get(name) for name in ("InstanceName", "Status", "WorkspaceId")}
        found = [
            record
            for record in self._instances.all(OF_ACCOUNT)
            if all(not wanted or record.content.get(name) == wanted for name, wanted in filters.items())
        ]
        if request.descending(default="desc"):
            found.reverse()
        return {
            "Success": True,
            "HttpStatusCode": 200,
            "Instances": [self._view(record) for record in request.page(found)],
            "TotalCount": len(found),
        }

    def stop(self, request: AcsRequest) -> dict[str, Any]:
        """Bring back what was written, and let the folder go; no image is saved here."""
        if request.query.get("SaveImage", "").lower() == "true":
            raise invalid_parameter("SaveImage", "True", "False: the local cloud has no images")
        return self._move(request, _STOPPABLE, "Stopping", done=frozenset({"Stopping", "Stopped"}))

    def start(self, request: AcsRequest) -> dict[str, Any]:
        """Mount the data again."""
        return self._move(request, _RESTARTABLE, "Starting", done=_STOPPABLE)

    def delete(self, request: AcsRequest) -> dict[str, Any]:
        """Forget an instance that does not run."""
        return self._move(request, _RESTARTABLE, "Deleting", done=frozenset({"Deleting"}))

    def _move(self, request: AcsRequest, before: frozenset[str], after: str, *, done: frozenset[str]) -> dict[str, Any]:
        with self._database.transaction():
            record = self._record(request)
            status = record.content["Status"]
            if status not in before | done:
                raise AcsError(400, "ValidationError", f"The instance {record.id} is {status}; it cannot be {after}.")
            if status in before:
                changes = {"Status": after, "ReasonCode": None, "ReasonMessage": None}
                self._instances.change(OF_ACCOUNT, record.id, changes)
        self.keeper.wake()
        return _answer(record.id)

    def _record(self, request: AcsRequest) -> Record:
        return self._instances.get(OF_ACCOUNT, request.path_parameters["instance"])

    def _view(self, record: Record) -> dict[str, Any]:
        content = record.content
        running = content.get("RunningSinceMs")
        ran_ms = content.get("RanMs", 0) + (now_ms() - running if running else 0)
        return {
            **{name: content.get(name) for name in (*_KEPT, "Status", "ReasonCode", "ReasonMessage")},
            "InstanceId": record.id,
            "InstanceUrl": self.keeper.folder(record.id).resolve().as_uri() if running else None,
            "Datasets": [{**each, "ActualMountAccess": each["MountAccess"]} for each in content["Datasets"]],
            "AccumulatedRunningTimeInMs": ran_ms,
            "AcceleratorType": "CPU",
            "PaymentType": "PayAsYouGo",
            "UserId": ACCOUNT_ID,
            "GmtCreateTime": iso_time(record.created_ms),
            "GmtModifiedTime": iso_time(record.modified_ms),
        }


def _answer(instance: str) -> dict[str, Any]:
    return {"Success": True, "HttpStatusCode": 200, "InstanceId": instance}


def _checked(asked: dict[str, Any]) -> dict[str, Any]:
    name = text_in(asked, "InstanceName")
    if not _NAME.fullmatch(name):
        raise invalid_parameter("InstanceName", name, "1 to 27 letters, digits and underscores")
    if not (text_in(asked, "ImageUrl") or text_in(asked, "ImageId")):
        raise missing_parameter("ImageUrl")
    if not (text_in(asked, "EcsSpec") or asked.get("RequestedResource")):
        raise missing_parameter("EcsSpec")
    text_in(asked, "WorkspaceId")
    object_in(asked, "EnvironmentVariables")
    access = text_in(asked, "Accessibility")
    if access not in {"", "PRIVATE", "PUBLIC"}:
        raise invalid_parameter("Accessibility", access, "PRIVATE or PUBLIC")
    return {field: asked[field] for field in _KEPT if field in asked}


def _datasets_of(asked: dict[str, Any]) -> list[dict[str, str]]:
    datasets = []
    for given in objects_in(asked, "Datasets"):
        path, access, uri = (text_in(given, name) for name in ("MountPath", "MountAccess", "Uri"))
        if access not in {"", "RO", "RW"}:
            raise invalid_parameter("MountAccess", access, "RO or RW")
        if not path.startswith("/") or not set(path.strip("/").split("/")).isdisjoint({"", ".", ".."}):
            raise invalid_parameter("MountPath", path, "an absolute path below the root")
        try:
            parse_uri(uri)
        except MountError as error:
            raise AcsError(400, "ValidationError", str(error)) from None
        datasets.append({"Uri": uri, "MountPath": path, "MountAccess": access or "RW"})
    paths = [f"{each['MountPath'].rstrip('/')}/" for each in datasets]
    if any(a.startswith(b) for i, a in enumerate(paths) for j, b in enumerate(paths) if i != j):
        raise invalid_parameter("MountPath", paths, "paths of which none lies in another one")
    return datasets
