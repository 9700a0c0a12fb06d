"""The calls of Bailian 2023-12-29, and the thread that reads files and fills indexes."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError
from localcloud.acs.request import AcsRequest
from localcloud.acs.service import Operation, Product
from localcloud.bailian.answers import Handler, answered
from localcloud.bailian.apps import Agents
from localcloud.bailian.files import Files
from localcloud.bailian.indexes import Indexes
from localcloud.bailian.passages import SCHEMA, Passages, embedder
from localcloud.credentials import Keyring
from localcloud.dashscope.apps import Apps
from localcloud.dashscope.worker import ModelWorker
from localcloud.database import Database
from localcloud.oss.store import Store
from localcloud.records import open_database

_log = logging.getLogger(__name__)
_IDLE_S = 5.0


class BailianService:
    """Files, indexes and apps of all workspaces; what a killed local cloud left undone is done after the next start."""

    def __init__(self, root: Path, store: Store, keyring: Keyring, apps: Apps, worker: ModelWorker) -> None:
        database = open_database(root)
        self._files = Files(root, database, store, keyring)
        passages = Passages(Database(root / "passages.sqlite", SCHEMA), embedder(worker))
        self._indexes = Indexes(database, self._files, passages)
        self._agents = Agents(apps, self._indexes)
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, name="bailian", daemon=True)

    def start(self) -> None:
        """Begin to read and to fill."""
        self._thread.start()

    def close(self) -> None:
        """Leave what is not done for the next start."""
        self._closing.set()
        self._wake.set()

    def product(self) -> Product:
        """What the dispatcher needs to know."""
        files, indexes = self._files, self._indexes
        center, index = "/{workspace}/datacenter", "/{workspace}/index"
        calls: dict[str, tuple[str, str, Handler]] = {
            "ApplyFileUploadLease": ("POST", f"{center}/category/{{category}}", files.lease),
            "AddFile": ("PUT", f"{center}/file", files.add),
            "AddFilesFromAuthorizedOss": ("POST", f"{center}/file/fromoss", files.add_from_oss),
            "DescribeFile": ("GET", f"{center}/file/{{file}}/", files.describe),
            "DeleteFile": ("DELETE", f"{center}/file/{{file}}/", files.delete),
            "ListFile": ("GET", f"{center}/files", files.page),
            "CreateIndex": ("POST", f"{index}/create", indexes.create),
            "ListIndices": ("GET", f"{index}/list_indices", indexes.page),
            "DeleteIndex": ("POST", f"{index}/delete", indexes.delete),
            "SubmitIndexJob": ("POST", f"{index}/submit_index_job", indexes.submit),
            "SubmitIndexAddDocumentsJob": ("POST", f"{index}/add_documents_to_index", indexes.add_documents),
            "GetIndexJobStatus": ("GET", f"{index}/job/status", indexes.status),
            "Retrieve": ("POST", f"{index}/retrieve", indexes.retrieve),
        }
        operations = {
            action: Operation(method, path, self._waking(answered(handler)))
            for action, (method, path, handler) in calls.items()
        }
        agents = Operation("POST", "/{workspace}/application/agents", self._agents.create)
        return Product("bailian", "2023-12-29", {**operations, "CreateAndPulishAgent": agents})

    def _waking(self, handler: Handler) -> Handler:
        def handle(request: AcsRequest) -> Mapping[str, Any]:
            answer = handler(request)
            if request.method in {"POST", "PUT"}:
                self._wake.set()
            return answer

        return handle

    def _work(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            try:
                self._read_and_fill()
            except (sqlite3.Error, OSError):
                _log.exception("The files or indexes of Bailian cannot be looked after; they are looked at again.")
            self._wake.wait(_IDLE_S)

    def _read_and_fill(self) -> None:
        for workspace, file_id in self._files.unread():
            if not self._closing.is_set():
                self._quietly(self._files.read, workspace, file_id)
        for index_id, job_id in self._indexes.unfinished():
            if not self._closing.is_set():
                self._quietly(self._indexes.fill, index_id, job_id)

    @staticmethod
    def _quietly(work: Callable[[str, str], None], parent: str, thing: str) -> None:
        try:
            work(parent, thing)
        except AcsError:
            _log.info("%s was deleted while it was worked on.", thing)
