"""What an instance has several of: scenes, ranking models and systems, filtering algorithms. All are made alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.acs.errors import missing_parameter, text_in
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation
from localcloud.records import Record, Records, new_id
from localcloud.timestamps import iso_time

INSTANCE = "/v2/openapi/instances/{instance}"


@dataclass(frozen=True, slots=True)
class Names:
    """What the calls about one kind are called; ``extra`` are the fields of which a caller may say nothing."""

    create: str
    list: str
    get: str
    modify: str
    delete: str
    path: str
    id_field: str
    extra: Mapping[str, Any]


SCENES = Names(
    "CreateScene", "ListScenes", "DescribeScene", "ModifyScene", "DeleteScene", "scenes", "sceneId", {"status": "1"}
)
RANKING_MODELS = Names(
    "CreateRankingModel",
    "ListRankingModels",
    "DecribeRankingModel",  # so is it spelled
    "ModifyRankingModel",
    "DeleteRankingModel",
    "ranking-models",
    "rankingModelId",
    {},
)
RANKING_SYSTEMS = Names(
    "CreateRankingSystem",
    "ListRankingSystems",
    "GetRankingSystem",
    "ModifyRankingSystem",
    "DeleteRankingSystem",
    "ranking-systems",
    "name",
    {"deployStatus": "UNDEPLOYED"},
)
FILTERING_ALGORITHMS = Names(
    "CreateFilteringAlgorithm",
    "ListFilteringAlgorithms",
    "DescribeFilteringAlgorithm",
    "ModifyFilteringAlgorithmMeta",
    "DeleteFilteringAlgorithm",
    "filtering-algorithms",
    "algorithmId",
    {"status": "OFFLINE"},
)


class Collection:
    """The calls about one kind of thing; ``instance_of`` says whose they are, or that there is no such instance."""

    def __init__(self, names: Names, records: Records, instance_of: Callable[[AcsRequest], str]) -> None:
        self._names = names
        self._records = records
        self._instance_of = instance_of

    def operations(self) -> dict[str, Operation]:
        """The calls by action."""
        names = self._names
        path = f"{INSTANCE}/{names.path}"
        one = f"{path}/{{id}}"
        changed = f"{one}/meta" if names.modify.endswith("Meta") else one
        return {
            names.create: Operation("POST", path, self.create),
            names.list: Operation("GET", path, self.list),
            names.get: Operation("GET", one, self.get),
            names.modify: Operation("PUT", changed, self.modify),
            names.delete: Operation("DELETE", one, self.delete),
        }

    def create(self, request: AcsRequest) -> dict[str, Any]:
        """Make one; with ``dryRun`` it is checked and not kept.

        The vendor's typed methods send no body: what they make has an id and nothing else.
        """
        instance = self._instance_of(request)
        content = described(request)
        name = text_in(content, self._names.id_field)
        if not name and not request.body:
            name = new_id(self._names.path.removesuffix("s"))
        if not name:
            raise missing_parameter(self._names.id_field)
        if request.query.get("dryRun", "").lower() == "true":
            return answer({self._names.id_field: name})
        self._records.add(instance, name, {**self._names.extra, **content})
        return answer(self._view(self._records.get(instance, name)))

    def list(self, request: AcsRequest) -> dict[str, Any]:
        """A page (``page``, ``size``) of those that the filters leave."""
        filters = {name: request.query.get(name) for name in (self._names.id_field, "status", "deployStatus")}
        found = [
            view
            for view in map(self._view, self._records.all(self._instance_of(request)))
            if all(not value or value == str(view.get(name)) for name, value in filters.items())
        ]
        page, size = request.integer("page", 1, low=1, high=1_000_000), request.integer("size", 10, low=1, high=100)
        return answer(found[(page - 1) * size : page * size])

    def get(self, request: AcsRequest) -> dict[str, Any]:
        """One of them."""
        return answer(self._view(self.record(request)))

    def modify(self, request: AcsRequest) -> dict[str, Any]:
        """Replace the fields that are named; the id stays."""
        changes = described(request)
        changes.pop(self._names.id_field, None)
        if self._names.modify.endswith("Meta"):
            changes = {"meta": changes.get("meta", changes)}
        self.change(request, changes)
        return answer(self._view(self.record(request)))

    def delete(self, request: AcsRequest) -> dict[str, Any]:
        """Forget one."""
        name = request.path_parameters["id"]
        self._records.delete(self._instance_of(request), name)
        return answer({self._names.id_field: name})

    def record(self, request: AcsRequest) -> Record:
        """What the path of the request names."""
        return self._records.get(self._instance_of(request), request.path_parameters["id"])

    def change(self, request: AcsRequest, changes: dict[str, Any]) -> None:
        """Replace fields of what the path names."""
        self._records.change(self._instance_of(request), request.path_parameters["id"], changes)

    def _view(self, record: Record) -> dict[str, Any]:
        times = {"gmtCreate": iso_time(record.created_ms), "gmtModified": iso_time(record.modified_ms)}
        return {**record.content, self._names.id_field: record.id, **times}


def described(request: AcsRequest) -> dict[str, Any]:
    """The body's object; some of the vendor's methods wrap it in ``body``."""
    content = request.json()
    inner = content.get("body")
    return dict(inner) if isinstance(inner, dict) else content


def answer(result: Any) -> dict[str, Any]:
    """A success as AIRec says it."""
    return {"code": "0", "message": "success", "result": result}
