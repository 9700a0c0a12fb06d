"""Fills an index of Bailian's own RAG."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.bailian import BailianHook
from alibaba_ai.hooks.oss import OssHook
from alibaba_ai.links.bailian import BailianIndexLink
from alibaba_ai.operators.same_job import store
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.bailian import BailianFilesTrigger, BailianIndexTrigger
from searchloom.cloud.bailian_rag import BailianRag
from searchloom.errors import UsageError

_STATE = "bailian_index"
_FAILED = "FAILED"


class BailianIndexOperator(WaitingOperator):
    """Add documents of the bucket to Bailian, wait until they are parsed, put them into an index and wait for that.

    The index's id is the task's result. An index of the name that is there gets the documents added. What was added
    (a key with its ETag) is noted: a retry and a cleared task add it no second time. Bailian has no call that stops an
    index job, so a killed task leaves it, and the next try goes on with it.

    :param name: name of the index
    :param keys: keys of the documents
    :param embedding_model: the model that makes an index's vectors
    :param chunk_size: tokens of a chunk
    :param overlap: tokens that two chunks share
    :param alibaba_bailian_conn_id: id of Bailian's connection
    :param alibaba_oss_conn_id: id of the bucket's connection
    """

    template_fields: Sequence[str] = (
        "name",
        "keys",
        "embedding_model",
        "alibaba_bailian_conn_id",
        "alibaba_oss_conn_id",
    )
    operator_extra_links = (BailianIndexLink(),)

    def __init__(
        self,
        *,
        name: str,
        keys: Sequence[str],
        embedding_model: str = "text-embedding-v4",
        chunk_size: int = 512,
        overlap: int = 64,
        alibaba_bailian_conn_id: str = BailianHook.default_conn_name,
        alibaba_oss_conn_id: str = OssHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.keys = keys
        self.embedding_model = embedding_model
        self.chunk_size = chunk_size
        self.overlap = overlap
        self.alibaba_bailian_conn_id = alibaba_bailian_conn_id
        self.alibaba_oss_conn_id = alibaba_oss_conn_id

    def execute(self, context: Any) -> Any:
        """Add what is not in Bailian yet, and wait until it is parsed."""
        with terminal_errors_end_the_task():
            if not self.keys or isinstance(self.keys, str):
                raise UsageError(f"keys of task {self.task_id!r} is {self.keys!r}; give a list of keys")
            file_ids = self._add(context, BailianHook(self.alibaba_bailian_conn_id).rag())
        return self.wait(context, BailianFilesTrigger(file_ids=file_ids, **self._waiting()), then="fill")

    def fill(self, context: Any, event: dict[str, str]) -> Any:
        """Put the parsed files into the index, store its link, and wait."""
        file_ids = self.succeeded(event).split(",")
        with terminal_errors_end_the_task():
            rag = BailianHook(self.alibaba_bailian_conn_id).rag()
            index_id, job_id = self._submit(context, rag, file_ids)
        address = BailianIndexLink.address(index_id=index_id)
        BailianIndexLink().store(context, address)
        self.log.info("Job %s fills index %s (%s) at %s: %s", job_id, self.name, index_id, rag.endpoint, address)
        return self.wait(context, BailianIndexTrigger(index_id=index_id, job_id=job_id, **self._waiting()))

    def _waiting(self) -> dict[str, Any]:
        return {
            "conn_id": self.alibaba_bailian_conn_id,
            "poll_interval_s": self.poll_interval_s,
            "deadline": self.deadline(),
        }

    def _add(self, context: Any, rag: BailianRag) -> list[str]:
        oss = OssHook(self.alibaba_oss_conn_id).get_conn()
        notes = _notes(context)
        file_ids: list[str] = []
        with tempfile.TemporaryDirectory(prefix="bailian-") as folder:
            for key in self.keys:
                state = f"{key} {oss.head(key).etag}"
                if state not in notes["files"]:
                    path = Path(folder) / PurePosixPath(key).name
                    oss.download(key, path)
                    notes["files"][state] = rag.add_file(path=path)
                    store(context, _STATE, notes)
                    self.log.info("%s is file %s of Bailian.", key, notes["files"][state])
                file_ids.append(notes["files"][state])
        return file_ids

    def _submit(self, context: Any, rag: BailianRag, file_ids: Sequence[str]) -> tuple[str, str]:
        """Return the index and the job that puts exactly these files into it: a noted one, or a new one."""
        notes = _notes(context)
        index_id = rag.find_index(name=self.name)
        job = notes.get("job") or {}
        same = job and (job["index"], job["files"]) == (index_id, list(file_ids))
        if same and rag.index_job(index_id=job["index"], job_id=job["id"]).status != _FAILED:
            return job["index"], job["id"]
        if index_id is None:
            # Noted before it is made: whoever finds an index of this name next knows that nothing has filled it.
            notes["made"] = self.name
            store(context, _STATE, notes)
            index_id = rag.create_index(
                name=self.name,
                file_ids=file_ids,
                embedding_model=self.embedding_model,
                chunk_size=self.chunk_size,
                overlap=self.overlap,
            )
        if notes.pop("made", "") == self.name:
            job_id = rag.submit_index_job(index_id=index_id)
        else:
            job_id = rag.add_documents(index_id=index_id, file_ids=file_ids)
        notes["job"] = {"index": index_id, "id": job_id, "files": list(file_ids)}
        store(context, _STATE, notes)
        return index_id, job_id


def _notes(context: Any) -> dict[str, Any]:
    return dict(context["task_state_store"].get(_STATE) or {"files": {}})
