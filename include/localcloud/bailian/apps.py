"""``CreateAndPulishAgent`` (sic): an app that answers from indexes, asked by DashScope's ``/api/v1/apps``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, object_in
from localcloud.acs.request import AcsRequest
from localcloud.bailian.answers import form_of, required
from localcloud.bailian.indexes import Indexes
from localcloud.dashscope.apps import App, Apps, Reference
from localcloud.dashscope.errors import DashScopeError
from localcloud.records import new_id

_MAX_PIECES = 20


class Agents:
    """The one call, and what the apps look up."""

    def __init__(self, apps: Apps, indexes: Indexes) -> None:
        self._apps = apps
        self._indexes = indexes
        apps.look_up_with(self._look_up)

    def create(self, request: AcsRequest) -> dict[str, Any]:
        """Publish an app; the answer is its id, with the small letters that this call has."""
        try:
            data = self._publish(form_of(request))
        except AcsError as error:
            return {"success": False, "httpStatusCode": str(error.status), "code": error.code, "message": error.message}
        return {"success": True, "httpStatusCode": "200", "data": data}

    def _publish(self, fields: dict[str, str]) -> str:
        try:
            config = json.loads(fields.get("applicationConfig") or "{}")
        except ValueError:
            config = None
        if not isinstance(config, dict):
            raise invalid_parameter("applicationConfig", fields.get("applicationConfig"), "a JSON object")
        rag = object_in(config, "ragConfig")
        index_ids = rag.get("knowledgeBaseCodeList") or []
        top_k = rag.get("topK", 5)
        if not isinstance(top_k, int) or not 1 <= top_k <= _MAX_PIECES:
            raise invalid_parameter("topK", top_k, f"a whole number from 1 to {_MAX_PIECES}")
        if not isinstance(index_ids, list):
            raise invalid_parameter("knowledgeBaseCodeList", index_ids, "a list of index ids")
        used = [str(each) for each in index_ids] if rag.get("enableSearch") else []
        for index_id in used:
            self._indexes.check(index_id)
        app = App(
            app_id=new_id("app").removeprefix("app-"),
            name=required(fields, "name"),
            model=required(fields, "modelId"),
            instructions=fields.get("instructions") or "",
            index_ids=tuple(used),
            top_k=top_k,
        )
        self._apps.publish(app)
        return app.app_id

    def _look_up(self, query: str, index_ids: Sequence[str], count: int) -> list[Reference]:
        try:
            found = [each for index_id in index_ids for each in self._indexes.search(index_id, query, count)]
        except AcsError as error:
            raise DashScopeError(error.status, error.code, error.message) from error
        found.sort(key=lambda pair: -pair[0].score)
        return [
            Reference(passage.index_id, passage.file_id, name, name, passage.text) for passage, name in found[:count]
        ]
