"""The calls about indexes, their jobs, and retrieval."""

from __future__ import annotations

import json
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter, missing_parameter
from localcloud.acs.request import AcsRequest
from localcloud.bailian.answers import flag_of, list_in, number_of, required
from localcloud.bailian.files import UNREAD, Files
from localcloud.bailian.passages import Passage, Passages
from localcloud.bailian.texts import cut
from localcloud.dashscope.errors import DashScopeError
from localcloud.database import Database
from localcloud.records import Record, Records, new_id
from localcloud.timestamps import iso_time

_SOURCES = ("DATA_CENTER_FILE", "DATA_CENTER_CATEGORY")
_EMBEDDING_MODELS = ("text-embedding-v1", "text-embedding-v2", "text-embedding-v3", "text-embedding-v4")
_RERANK_MODELS = ("gte-rerank", "gte-rerank-hybrid", "gte-rerank-v2", "qwen3-rerank", "qwen3-rerank-hybrid")
_CANDIDATES = 100
_ENDED = ("COMPLETED", "FAILED")


class Indexes:
    """Indexes over files, filled by jobs."""

    def __init__(self, database: Database, files: Files, passages: Passages) -> None:
        self._files = files
        self._passages = passages
        self._indexes = Records(database, "Index")
        self._jobs = Records(database, "IndexJob")

    def create(self, request: AcsRequest) -> dict[str, Any]:
        """Describe an index; a job fills it."""
        fields, workspace = request.query, request.path_parameters["workspace"]
        name, source = required(fields, "Name"), fields.get("SourceType") or _SOURCES[0]
        _one_of(required(fields, "StructureType"), "StructureType", ("unstructured",))
        _one_of(required(fields, "SinkType"), "SinkType", ("BUILT_IN", "DEFAULT"))
        _one_of(source, "SourceType", _SOURCES)
        embedding = _one_of(
            fields.get("EmbeddingModelName") or "text-embedding-v4", "EmbeddingModelName", _EMBEDDING_MODELS
        )
        rerank = _one_of(fields.get("RerankModelName") or "gte-rerank-hybrid", "RerankModelName", _RERANK_MODELS)
        size = int(number_of(fields, "ChunkSize", 500, low=1, high=6000))
        content = {
            "Name": name,
            "Description": fields.get("Description") or "",
            "StructureType": "unstructured",
            "SourceType": source,
            "SinkType": "BUILT_IN",
            "EmbeddingModelName": embedding,
            "RerankModelName": rerank,
            "RerankMinScore": number_of(fields, "RerankMinScore", 0.01, low=0, high=1),
            "ChunkSize": size,
            "OverlapSize": min(int(number_of(fields, "OverlapSize", 100, low=0, high=1024)), size - 1),
            "DocumentIds": self._sources(workspace, source, fields),
            "Workspace": workspace,
        }
        if any(record.content["Name"] == name for record in self._of(workspace)):
            raise AcsError(409, "Index.NameDuplicate", f"There is an index called {name!r} already.")
        index_id = new_id("idx").removeprefix("idx-")
        self._indexes.add("", index_id, content)
        return {"Id": index_id}

    def page(self, request: AcsRequest) -> dict[str, Any]:
        """A page of the indexes whose name holds ``IndexName``."""
        name = request.query.get("IndexName") or ""
        found = [record for record in self._of(request.path_parameters["workspace"]) if name in record.content["Name"]]
        number, size = (
            request.integer("PageNumber", 1, low=1, high=10**6),
            request.integer("PageSize", 10, low=1, high=100),
        )
        views = [_view(record) for record in request.page(found)]
        return {"TotalCount": len(found), "PageNumber": number, "PageSize": size, "Indices": views}

    def delete(self, request: AcsRequest) -> dict[str, Any]:
        """Forget an index with all that it holds; the files stay."""
        record = self._asked(request)
        for job in self._jobs.all(record.id):
            self._jobs.delete(record.id, job.id)
        self._passages.delete(record.id)
        self._indexes.delete("", record.id)
        return {}

    def submit(self, request: AcsRequest) -> dict[str, Any]:
        """Start filling an index with the files that it was described with."""
        record = self._asked(request)
        return self._start(record, record.content["DocumentIds"], must_fail=request.fault == "failed_job")

    def add_documents(self, request: AcsRequest) -> dict[str, Any]:
        """Start adding files to an index."""
        record, fields = self._asked(request), request.query
        source = _one_of(required(fields, "SourceType"), "SourceType", _SOURCES)
        fresh = self._sources(record.content["Workspace"], source, fields)
        known = record.content["DocumentIds"]
        self._indexes.change("", record.id, {"DocumentIds": [*known, *(each for each in fresh if each not in known)]})
        return self._start(record, fresh, must_fail=request.fault == "failed_job")

    def status(self, request: AcsRequest) -> dict[str, Any]:
        """How far a job is, with a page of its documents."""
        record = self._asked(request)
        job_id = request.required("JobId")
        try:
            job = self._jobs.get(record.id, job_id)
        except AcsError:
            raise AcsError(404, "IndexJob.NotExist", f"The job {job_id} does not exist.") from None
        number = request.integer("PageNumber", 1, low=1, high=10**6)
        # So is it spelled by the vendor's client.
        size = request.integer("pageSize", 10, low=1, high=200)
        documents = list(job.content["documents"].values())[(number - 1) * size : number * size]
        return {"Status": job.content["status"], "JobId": job_id, "Documents": documents}

    def retrieve(self, request: AcsRequest) -> dict[str, Any]:
        """The pieces of text that answer best."""
        fields, record = request.query, self._asked(request)
        query = fields.get("Query") or ""
        if not query.strip():
            raise missing_parameter("Query")
        dense = int(number_of(fields, "DenseSimilarityTopK", _CANDIDATES, low=0, high=_CANDIDATES))
        sparse = int(number_of(fields, "SparseSimilarityTopK", _CANDIDATES, low=0, high=_CANDIDATES))
        for model in list_in(fields, "Rerank"):
            _one_of(model.get("ModelName") if isinstance(model, dict) else None, "Rerank.ModelName", _RERANK_MODELS)
        top = int(number_of(fields, "RerankTopN", 5, low=1, high=20))
        least = number_of(fields, "RerankMinScore", record.content["RerankMinScore"], low=0, high=1)
        found = self._search(record, query, dense=dense, sparse=sparse)
        if flag_of(fields, "EnableReranking", default=True):
            found = [passage for passage in found if passage.score >= least]
        return {"Nodes": [self._node(record, passage) for passage in found[:top]]}

    def search(self, index_id: str, query: str, count: int) -> list[tuple[Passage, str]]:
        """The best pieces of an index and the names of their files; raises ``Index.NotExist``."""
        record = self._index(index_id)
        found = self._search(record, query, dense=_CANDIDATES, sparse=_CANDIDATES)
        good = [passage for passage in found if passage.score >= record.content["RerankMinScore"]]
        return [(passage, self._name(record, passage.file_id)) for passage in good[:count]]

    def check(self, index_id: str) -> None:
        """Raise ``Index.NotExist`` when there is none."""
        self._index(index_id)

    def unfinished(self) -> list[tuple[str, str]]:
        """Index and id of each job that is not at its end."""
        return [
            (index.id, job.id)
            for index in self._indexes.all("")
            for job in self._jobs.all(index.id)
            if job.content["status"] not in _ENDED
        ]

    def fill(self, index_id: str, job_id: str) -> None:
        """Bring a job to its end; what was done before a restart is done again and comes out the same."""
        record, job = self._index(index_id), self._jobs.get(index_id, job_id)
        if job.content["must_fail"]:
            self._jobs.change(index_id, job_id, {"status": "FAILED"})
            return
        self._jobs.change(index_id, job_id, {"status": "RUNNING"})
        documents = job.content["documents"]
        for file_id in documents:
            documents[file_id] |= self._filled(record, file_id)
            self._jobs.change(index_id, job_id, {"documents": documents})
        good = any(document["Status"] == "FINISH" for document in documents.values())
        self._jobs.change(index_id, job_id, {"status": "COMPLETED" if good or not documents else "FAILED"})

    def _filled(self, record: Record, file_id: str) -> dict[str, Any]:
        content = record.content
        try:
            file = self._files.get(content["Workspace"], file_id)
            if file.content["status"] in UNREAD:
                self._files.read(content["Workspace"], file_id)
                file = self._files.get(content["Workspace"], file_id)
            if file.content["status"] != "PARSE_SUCCESS":
                return {"Status": "INSERT_ERROR", "Code": "PARSE_FAILED", "Message": file.content["error"]}
            pieces = cut(self._files.text(file_id), size=content["ChunkSize"], overlap=content["OverlapSize"])
            self._passages.replace(record.id, file_id, pieces)
        except (AcsError, DashScopeError) as error:
            return {"Status": "INSERT_ERROR", "Code": error.code, "Message": error.message}
        return {"Status": "FINISH", "Code": "FINISH", "Message": f"{len(pieces)} pieces of text are in the index."}

    def _start(self, record: Record, file_ids: list[str], *, must_fail: bool) -> dict[str, Any]:
        job_id = new_id("job").removeprefix("job-")
        documents = {
            file_id: {
                "DocId": file_id,
                "DocName": self._name(record, file_id),
                "Status": "RUNNING",
                "Code": "",
                "Message": "",
            }
            for file_id in file_ids
        }
        self._jobs.add(record.id, job_id, {"status": "PENDING", "documents": documents, "must_fail": must_fail})
        return {"Id": job_id, "IndexId": record.id}

    def _sources(self, workspace: str, source: str, fields: dict[str, str]) -> list[str]:
        if source == "DATA_CENTER_FILE":
            file_ids = [str(each) for each in list_in(fields, "DocumentIds")]
            if not file_ids:
                raise missing_parameter("DocumentIds")
            for file_id in file_ids:
                self._files.get(workspace, file_id)
            return file_ids
        categories = list_in(fields, "CategoryIds")
        if not categories:
            raise missing_parameter("CategoryIds")
        return [file_id for each in categories for file_id in self._files.of_category(workspace, str(each))]

    def _search(self, record: Record, query: str, *, dense: int, sparse: int) -> list[Passage]:
        try:
            return self._passages.search(record.id, query, dense=dense, sparse=sparse)
        except DashScopeError as error:
            raise AcsError(error.status, error.code, error.message) from error

    def _node(self, record: Record, passage: Passage) -> dict[str, Any]:
        name = self._name(record, passage.file_id)
        metadata = {
            "doc_id": passage.file_id,
            "doc_name": name,
            "title": name,
            "content": passage.text,
            "pipeline_id": record.id,
            "workspace_id": record.content["Workspace"],
            "_id": f"{record.id}_{passage.id}",
            "_score": passage.score,
        }
        return {"Text": passage.text, "Score": passage.score, "Metadata": metadata}

    def _name(self, record: Record, file_id: str) -> str:
        try:
            name: str = self._files.get(record.content["Workspace"], file_id).content["name"]
        except AcsError:
            # Deleted since: the index still holds what it took.
            return file_id
        return name

    def _of(self, workspace: str) -> list[Record]:
        return [record for record in self._indexes.all("") if record.content["Workspace"] == workspace]

    def _asked(self, request: AcsRequest) -> Record:
        record = self._index(request.required("IndexId"))
        if record.content["Workspace"] != request.path_parameters["workspace"]:
            raise _no_index(record.id)
        return record

    def _index(self, index_id: str) -> Record:
        try:
            return self._indexes.get("", index_id)
        except AcsError:
            raise _no_index(index_id) from None


def _no_index(index_id: str) -> AcsError:
    return AcsError(400, "Index.NotExist", f"The index {index_id} does not exist.")


def _one_of(value: object, name: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise invalid_parameter(name, value, f"one of {', '.join(allowed)}")
    return str(value)


def _view(record: Record) -> dict[str, Any]:
    shown = {name: value for name, value in record.content.items() if name != "Workspace"}
    times = {"GmtCreate": iso_time(record.created_ms)}
    return {"Id": record.id, **shown, "RerankMinScore": json.dumps(shown["RerankMinScore"]), **times}
