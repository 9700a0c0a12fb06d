"""AIRec as one product: instances and their data sets, documents in, recommendations out."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter, text_in
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.airec.collections import (
    FILTERING_ALGORITHMS,
    INSTANCE,
    RANKING_MODELS,
    RANKING_SYSTEMS,
    SCENES,
    Collection,
    answer,
    described,
)
from localcloud.airec.filters import condition_of
from localcloud.airec.keeper import Keeper
from localcloud.airec.model import Key
from localcloud.airec.recommend import Found, Recommender, Wish
from localcloud.airec.rules import documents_of
from localcloud.airec.tables import Tables
from localcloud.records import Record, Records, open_database
from localcloud.timestamps import iso_time

DEFAULT_INSTANCE = "airec-cn-local"
"""The instance that is there from the start, and runs."""

_OF_ACCOUNT = ""
_MAX_RETURNED = 50
_PROBE_S = 3.0
_SERVING, _STOPPED = "SERVING", "STOPPED"


class AirecService:
    """A new instance waits for data (Ready) until RunInstance lets it serve (Running).

    One data set of an instance serves, and takes what is pushed. RunInstance on a running instance puts a copy in its
    place, so that the data of that moment can come back with AttachDataset. Ranking systems and filtering algorithms
    are kept, not obeyed: the ranking is always that of ``recommend.py``, whose model ``keeper.py`` trains.
    """

    def __init__(self, root: Path, region: str) -> None:
        self._region = region
        self._database = open_database(root)
        self._instances = Records(self._database, "Instance")
        self._data_sets = Records(self._database, "DataSet")
        self._tables = Tables(root)
        self._keeper = Keeper(root, self._tables)
        self._scenes = Collection(SCENES, Records(self._database, "Scene"), self._instance_of)
        self._models = Collection(RANKING_MODELS, Records(self._database, "RankingModel"), self._instance_of)
        self._systems = Collection(RANKING_SYSTEMS, Records(self._database, "RankingSystem"), self._instance_of)
        algorithms = Records(self._database, "FilteringAlgorithm")
        self._algorithms = Collection(FILTERING_ALGORITHMS, algorithms, self._instance_of)
        self._lock = threading.Lock()
        self._recommenders: dict[str, Recommender] = {}
        with self._database.transaction():
            if not self._instances.all(_OF_ACCOUNT):
                self._add_instance(DEFAULT_INSTANCE, {"name": "local"}, status="Running")

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        data_set = f"{INSTANCE}/dataSets/{{version}}"
        operations = {
            "CreateInstance": Operation("POST", "/v2/openapi/instances", self.create_instance),
            "ListInstance": Operation("GET", "/v2/openapi/instances", self.list_instances),
            "DescribeInstance": Operation("GET", INSTANCE, self.describe_instance),
            "RunInstance": Operation("POST", f"{INSTANCE}/actions/import", self.run_instance),
            "ListDataSet": Operation("GET", f"{INSTANCE}/dataSets", self.list_data_sets),
            "AttachDataset": Operation("POST", f"{data_set}/actions/current", self.attach_data_set),
            "DeleteDataSet": Operation("DELETE", data_set, self.delete_data_set),
            "PushDocument": Operation("POST", f"{INSTANCE}/tables/{{table}}/actions/bulk", self.push),
            "Recommend": Operation("GET", f"{INSTANCE}/actions/recommend", self.recommend),
            "CheckRankingModelReachable": Operation(
                "GET", f"{INSTANCE}/ranking-models/{{id}}/actions/check-connectivity", self.check_ranking_model
            ),
            "DeployRankingSystem": Operation(
                "POST", f"{INSTANCE}/ranking-systems/{{id}}/actions/deploy", self.deploy_ranking_system
            ),
        }
        for collection in (self._scenes, self._models, self._systems, self._algorithms):
            operations |= collection.operations()
        return Product("airec", "2020-11-26", operations, style="camel")

    def create_instance(self, request: AcsRequest) -> dict[str, Any]:
        """Make an instance; the body, which the vendor's typed method does not send, may name it."""
        content = described(request)
        instance = f"airec-cn-{secrets.token_hex(6)}"
        described_as = {"name": text_in(content, "name"), "industry": text_in(content, "industry")}
        with self._database.transaction():
            self._add_instance(instance, described_as, status="Ready")
        return answer({"instanceId": instance})

    def list_instances(self, request: AcsRequest) -> dict[str, Any]:
        """A page (``page``, ``size``) of the instances that the filters leave."""
        page, size = request.integer("page", 1, low=1, high=1_000_000), request.integer("size", 10, low=1, high=100)
        found = [
            view
            for view in map(self._instance_view, self._instances.all(_OF_ACCOUNT))
            if all(not request.query.get(name) or request.query[name] == view[name] for name in ("instanceId", "name"))
        ]
        return answer(found[(page - 1) * size : page * size])

    def describe_instance(self, request: AcsRequest) -> dict[str, Any]:
        """One instance."""
        return answer(self._instance_view(self._instances.get(_OF_ACCOUNT, self._instance_of(request))))

    def run_instance(self, request: AcsRequest) -> dict[str, Any]:
        """Start serving the data that was pushed, or put a copy of it in its place."""
        instance = self._instance_of(request)
        with self._database.transaction():
            record = self._instances.get(_OF_ACCOUNT, instance)
            if record.content["status"] == "Running":
                last = max(int(each.id.removeprefix("v")) for each in self._data_sets.all(instance))
                version = f"v{last + 1}"
                source, target = _data_set(instance, record.content["serving"]), _data_set(instance, version)
                self._tables.copy(source, target)
                self._keeper.copy(source, target)
                self._data_sets.add(instance, version, {"state": _STOPPED})
                self._serve(instance, version)
            self._instances.change(_OF_ACCOUNT, instance, {"status": "Running"})
            serving = self._instances.get(_OF_ACCOUNT, instance).content["serving"]
        self._keeper.train(_data_set(instance, serving))
        return answer(result=True)

    def list_data_sets(self, request: AcsRequest) -> dict[str, Any]:
        """The versions of the instance's data, the oldest first."""
        instance = self._instance_of(request)
        return answer([_data_set_view(instance, each) for each in self._data_sets.all(instance)])

    def attach_data_set(self, request: AcsRequest) -> dict[str, Any]:
        """Let a version serve; doing it again changes nothing."""
        instance, version = self._instance_of(request), request.path_parameters["version"]
        with self._database.transaction():
            self._data_sets.get(instance, version)
            self._serve(instance, version)
            return answer(_data_set_view(instance, self._data_sets.get(instance, version)))

    def delete_data_set(self, request: AcsRequest) -> dict[str, Any]:
        """Forget a version that does not serve."""
        instance, version = self._instance_of(request), request.path_parameters["version"]
        with self._database.transaction():
            record = self._data_sets.get(instance, version)
            if record.content["state"] == _SERVING:
                raise AcsError(409, "DataSetIsServing", f"The data set {version} serves; attach another one first.")
            self._data_sets.delete(instance, version)
            self._tables.delete(_data_set(instance, version))
        with self._lock:
            self._recommenders.pop(_data_set(instance, version), None)
        self._keeper.forget(_data_set(instance, version))
        return answer(_data_set_view(instance, record))

    def push(self, request: AcsRequest) -> dict[str, Any]:
        """Take documents in: all of them, or none when one breaks a rule."""
        instance, table = self._instance_of(request), request.path_parameters["table"]
        documents = documents_of(table, request.body)
        with self._database.transaction():
            serving = self._instances.get(_OF_ACCOUNT, instance).content["serving"]
            self._tables.push(_data_set(instance, serving), table, documents)
        if table == "behavior":
            self._keeper.grown(_data_set(instance, serving))
        return answer(result=True)

    def recommend(self, request: AcsRequest) -> dict[str, Any]:
        """Items for a user; ``items`` asks for those that are related to given ones."""
        instance = self._instance_of(request)
        wish = _wish_of(request)
        record = self._instances.get(_OF_ACCOUNT, instance)
        if record.content["status"] != "Running":
            raise AcsError(400, "InstanceNotRunning", f"The instance {instance} does not run; call RunInstance first.")
        name = _data_set(instance, record.content["serving"])
        with self._lock:
            recommender = self._recommenders.setdefault(name, Recommender())
        now = time.time()
        items = self._tables.items(name, after=recommender.items_read)
        behaviors = self._tables.behaviors(name, after=recommender.behaviors_read)
        recommender.learn(items, behaviors, now)
        trace = f"1007.{instance}.{secrets.token_hex(8)}.{wish.scene}"
        found = recommender.recommend(wish, now, self._keeper.model(name))
        return answer([_row(each, position, trace) for position, each in enumerate(found, start=1)])

    def check_ranking_model(self, request: AcsRequest) -> dict[str, Any]:
        """Whether something answers HTTP at the model's ``meta.url``."""
        meta = self._models.record(request).content.get("meta")
        url = meta.get("url") if isinstance(meta, dict) else None
        if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"}:
            raise invalid_parameter("meta.url", url, "the http address of the ranking model")
        try:
            up = httpx.get(url, timeout=_PROBE_S, trust_env=False).status_code < 500
        except (httpx.HTTPError, httpx.InvalidURL):
            up = False
        return answer({"status": "UP" if up else "DOWN"})

    def deploy_ranking_system(self, request: AcsRequest) -> dict[str, Any]:
        """Note that a ranking system is deployed, and how."""
        self._systems.record(request)
        self._systems.change(request, {"deployStatus": "DEPLOYED", "deployment": described(request)})
        return answer(result=True)

    def _instance_of(self, request: AcsRequest) -> str:
        return self._instances.get(_OF_ACCOUNT, request.path_parameters["instance"]).id

    def _add_instance(self, instance: str, content: dict[str, Any], *, status: str) -> None:
        self._instances.add(_OF_ACCOUNT, instance, {**content, "status": status, "serving": "v1"})
        self._data_sets.add(instance, "v1", {"state": _SERVING})

    def _serve(self, instance: str, version: str) -> None:
        serving = self._instances.get(_OF_ACCOUNT, instance).content["serving"]
        self._data_sets.change(instance, serving, {"state": _STOPPED})
        self._data_sets.change(instance, version, {"state": _SERVING})
        self._instances.change(_OF_ACCOUNT, instance, {"serving": version})

    def _instance_view(self, record: Record) -> dict[str, Any]:
        model = self._keeper.state(_data_set(record.id, record.content["serving"]))
        return {
            "instanceId": record.id,
            "name": record.content["name"],
            "status": record.content["status"],
            "industry": record.content.get("industry") or "content",
            "regionId": self._region,
            "dataSetVersion": record.content["serving"],
            "chargeType": "PostPaid",
            "lockMode": "Unlock",
            # No field of AIRec's: how far the training is, for who wants to wait for it.
            "model": {"state": model.state, "behaviors": model.behaviors},
            "gmtCreate": iso_time(record.created_ms),
            "gmtModified": iso_time(record.modified_ms),
        }


def _data_set(instance: str, version: str) -> str:
    return f"{instance}/{version}"


def _data_set_view(instance: str, record: Record) -> dict[str, Any]:
    return {
        "instanceId": instance,
        "versionId": record.id,
        "state": record.content["state"],
        "gmtCreate": record.created_ms,
        "gmtModified": record.modified_ms,
    }


def _wish_of(request: AcsRequest) -> Wish:
    user = request.query.get("userId") or request.query.get("imei") or ""
    if not user:
        raise missing_parameter("userId")
    text = request.query.get("filter")
    popular_only = request.query.get("rankOpen", "").lower() == "false" and request.query.get("recType") == "hot"
    return Wish(
        user="" if popular_only else user,
        scene=request.required("sceneId"),
        count=_count_of(request),
        base=_keys_of(request.query.get("items") or ""),
        wanted=condition_of(text) if text else None,
    )


def _count_of(request: AcsRequest) -> int:
    request.required("returnCount")
    return request.integer("returnCount", 0, low=0, high=_MAX_RETURNED)


def _keys_of(text: str) -> list[Key]:
    keys = [part.partition(":") for part in text.split(",") if part]
    if not all(item and kind for item, _, kind in keys):
        raise invalid_parameter("items", text, "id:type,id:type")
    return [(item, kind) for item, _, kind in keys]


def _row(found: Found, position: int, trace: str) -> dict[str, Any]:
    item_id, item_type = found.key
    return {
        "itemId": item_id,
        "itemType": item_type,
        "weight": found.score,
        "position": position,
        "traceId": "ali",
        "traceInfo": f"{trace}.{item_id}.{position}",
        "matchInfo": found.source,
        "flowWeight": 0,
        "message": "",
    }
