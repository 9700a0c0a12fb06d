"""AIRec for tasks: documents in, scenes, data sets, ranking and filtering, recommendations out.

Half of the SDK's typed methods (``push_document``, ``create_scene``...) have no body and send none, so every call goes
through its generic ``call_api``. API: https://help.aliyun.com/en/airec/developer-reference/
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote

from alibabacloud_airec20201126.client import Client
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from searchloom.cloud.acs import Connection, expect_success
from searchloom.cloud.airec_rows import (
    MAX_ROWS,
    Outcome,
    Recommendation,
    Row,
    Table,
    batches,
    flaw,
    recommend_query,
    recommendations,
)
from searchloom.cloud.retry import repeatable, unrepeatable
from searchloom.errors import ServiceRefused, UsageError
from searchloom.settings import Acs
from searchloom.settings import Airec as AirecSettings

log = logging.getLogger(__name__)

VERSION = "2020-11-26"

_ABOUT_ROWS = ("InvalidParameter", "MissingParameter", "IllegalParameter", "400")
"""Codes that are about the documents of a push; every other refusal (a key, a right, a quota) ends the push."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A version of the instance's data; one of them serves."""

    version_id: str
    state: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A place where recommendations show; status 1 is on."""

    scene_id: str
    status: str


class Airec:
    """One instance of the recommender. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Acs, airec: AirecSettings) -> None:
        if not airec.instance_id:
            raise UsageError("airec.instance_id is empty; set the instance's id (airec-cn-...)")
        self._connection = Connection(settings, "airec")
        self.endpoint = self._connection.endpoint
        self.instance_id = airec.instance_id
        self.scene_id = airec.scene_id
        self._client = Client(self._connection.config)

    def push(self, table: Table, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Send rows and yield what became of each; nothing is sent further ahead than one request.

        A row that breaks a documented rule, and the rows of a request that the service finds invalid (400), come out
        rejected with the reason. Items and users may be sent again; behaviour is never sent twice by itself, so that
        an unavailable service there leaves the rows that did not come out to the caller.
        """
        stream = iter(rows)
        while window := list(islice(stream, MAX_ROWS)):
            sound: list[Row] = []
            for row in window:
                if reason := flaw(table, row):
                    yield Outcome(row, ok=False, reason=reason)
                else:
                    sound.append(row)
            for batch in batches(sound):
                yield from self._push(table, batch)

    def _push(self, table: Table, batch: Sequence[Row]) -> Iterator[Outcome]:
        body = [{"cmd": row.cmd, "fields": dict(row.fields)} for row in batch]
        send = self._write if table == "behavior" else self._read
        reason = ""
        try:
            send("PushDocument", "POST", f"/tables/{table}/actions/bulk", f"{len(batch)} rows of {table}", body=body)
        except ServiceRefused as error:
            if not error.code.startswith(_ABOUT_ROWS):
                raise
            reason = str(error)
            log.warning("AIRec rejected %d rows of %s: %s", len(batch), table, reason)
        yield from (Outcome(row, ok=not reason, reason=reason) for row in batch)

    def recommend(
        self,
        *,
        user_id: str,
        count: int,
        scene_id: str | None = None,
        items: Sequence[tuple[str, str]] = (),
        filters: Mapping[str, Any] | None = None,
        device_id: str | None = None,
        rank: bool | None = None,
    ) -> list[Recommendation]:
        """Return at most ``count`` (0-50) items for a user; see ``airec_rows.recommend_query`` for the rest."""
        query = recommend_query(
            user_id=user_id,
            scene_id=scene_id or self.scene_id,
            count=count,
            items=items,
            filters=filters,
            device_id=device_id,
            rank=rank,
        )
        what = f"recommendations for user {user_id!r}"
        return recommendations(self._read("Recommend", "GET", "/actions/recommend", what, query=query))

    def state(self) -> str:
        """Return the instance's status."""
        return str(self._read("DescribeInstance", "GET", "", f"instance {self.instance_id!r}")["result"]["status"])

    def start(self) -> None:
        """Start the instance on the data that was pushed."""
        self._write("RunInstance", "POST", "/actions/import", f"instance {self.instance_id!r}")

    def data_sets(self) -> list[DataSet]:
        """Return the versions of the instance's data."""
        found = self._read("ListDataSet", "GET", "/dataSets", "the data sets")["result"]
        return [DataSet(str(item["versionId"]), str(item["state"])) for item in found or []]

    def attach_data_set(self, *, version_id: str) -> None:
        """Let this version of the data serve."""
        path = f"/dataSets/{quote(version_id, safe='~')}/actions/current"
        self._read("AttachDataset", "POST", path, f"data set {version_id!r}")

    def scenes(self) -> list[Scene]:
        """Return the scenes, the first hundred."""
        query = {"page": "1", "size": "100"}
        found = self._read("ListScenes", "GET", "/scenes", "the scenes", query=query)["result"]
        return [Scene(str(item["sceneId"]), str(item["status"])) for item in found or []]

    def create_scene(self, *, scene: Mapping[str, Any]) -> None:
        """Create a scene of AIRec's own description (``sceneId``, ``sceneName``...)."""
        self._write("CreateScene", "POST", "/scenes", f"scene {scene.get('sceneId')!r}", body=dict(scene))

    def create_ranking_model(self, *, model: Mapping[str, Any]) -> None:
        """Register a ranking model that runs elsewhere."""
        what = f"ranking model {model.get('rankingModelId')!r}"
        self._write("CreateRankingModel", "POST", "/ranking-models", what, body=dict(model))

    def ranking_model_reachable(self, *, model_id: str) -> bool:
        """Whether AIRec can reach a registered ranking model."""
        path = f"/ranking-models/{quote(model_id, safe='~')}/actions/check-connectivity"
        answer = self._read("CheckRankingModelReachable", "GET", path, f"ranking model {model_id!r}")
        return bool(answer["result"]["status"] == "UP")

    def create_ranking_system(self, *, system: Mapping[str, Any]) -> None:
        """Describe a ranking system, which puts ranking models to work."""
        what = f"ranking system {system.get('name')!r}"
        self._write("CreateRankingSystem", "POST", "/ranking-systems", what, body=dict(system))

    def deploy_ranking_system(self, *, name: str, deployment: Mapping[str, Any]) -> None:
        """Let a ranking system serve."""
        path = f"/ranking-systems/{quote(name, safe='~')}/actions/deploy"
        body = {"body": dict(deployment)}  # so wraps the SDK's typed method
        self._write("DeployRankingSystem", "POST", path, f"ranking system {name!r}", body=body)

    def create_filtering_algorithm(self, *, algorithm: Mapping[str, Any]) -> None:
        """Describe a table of candidates or of items to leave out."""
        what = f"filtering algorithm {algorithm.get('algorithmId')!r}"
        self._write("CreateFilteringAlgorithm", "POST", "/filtering-algorithms", what, body=dict(algorithm))

    @repeatable
    def _read(self, action: str, method: str, path: str, what: str, **parts: Any) -> dict[str, Any]:
        return self._call(action, method, path, what, **parts)

    @unrepeatable
    def _write(self, action: str, method: str, path: str, what: str, **parts: Any) -> dict[str, Any]:
        return self._call(action, method, path, what, **parts)

    def _call(
        self,
        action: str,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> dict[str, Any]:
        params = Params(
            action=action,
            version=VERSION,
            protocol="HTTPS",
            pathname=f"/v2/openapi/instances/{quote(self.instance_id, safe='~')}{path}",
            method=method,
            auth_type="AK",
            style="ROA",
            req_body_type="json",
            body_type="json",
        )
        request = OpenApiRequest(query=dict(query) if query else None, body=body)
        with self._connection.call(what):
            answer = self._client.call_api(params, request, RuntimeOptions())["body"]
        expect_success(answer, service="AIRec", what=what, endpoint=self.endpoint)
        return dict(answer)
