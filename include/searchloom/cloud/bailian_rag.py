"""Bailian's own RAG: files into its store, an index over them, retrieval.

It ends in Bailian's store, not in our engines; it is here for those who want both. An answer with HTTP 200 and
``Success: false`` is an error, which the SDK does not notice.
API: https://help.aliyun.com/en/model-studio/developer-reference/api-bailian-2023-12-29-overview
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from alibabacloud_bailian20231229 import models
from alibabacloud_bailian20231229.client import Client

from searchloom.cloud.acs import Connection, expect_success
from searchloom.cloud.failures import failure
from searchloom.cloud.retry import repeatable, unrepeatable
from searchloom.errors import ServiceUnavailable
from searchloom.settings import Acs

_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file in Bailian; ``status`` ends in PARSE_SUCCESS or PARSE_FAILED."""

    file_id: str
    name: str
    status: str


@dataclass(frozen=True, slots=True)
class IndexJob:
    """A job that fills an index; ``status`` ends in COMPLETED or FAILED, ``documents`` are file id -> status."""

    job_id: str
    status: str
    documents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """A chunk that was found."""

    text: str
    score: float
    metadata: Mapping[str, Any]


class BailianRag:
    """The files and indexes of one workspace. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: Acs, *, workspace_id: str) -> None:
        self._connection = Connection(settings, "bailian")
        self.endpoint = self._connection.endpoint
        self.workspace_id = workspace_id
        self._client = Client(self._connection.config)

    def add_file(self, *, path: Path, category_id: str = "default", parser: str = "DASHSCOPE_DOCMIND") -> str:
        """Upload a file by a lease and return its id; parsing goes on afterwards (``describe_file``)."""
        lease = self._lease(path, category_id)
        self._upload(path, lease.param)
        return self._add(lease.file_upload_lease_id, category_id, parser, path.name)

    @repeatable
    def _lease(self, path: Path, category_id: str) -> Any:
        request = models.ApplyFileUploadLeaseRequest(
            file_name=path.name, md_5=_md5(path), size_in_bytes=str(path.stat().st_size)
        )
        what = f"file {path.name!r}"
        with self._connection.call(what):
            body = self._client.apply_file_upload_lease(category_id, self.workspace_id, request).body
        return self._data(body, what)

    @repeatable
    def _upload(self, path: Path, target: Any) -> None:
        # A pre-signed URL: signing anew, or following it elsewhere, would break it.
        try:
            with path.open("rb") as file:
                response = httpx.request(target.method, target.url, content=file, headers=target.headers, timeout=60)
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"the upload of {path.name!r} to Bailian broke off: {error}") from error
        if not response.is_success:
            raise failure(
                service="Bailian", what=f"file {path.name!r}", status=response.status_code, message=response.text[:300]
            )

    @unrepeatable
    def _add(self, lease_id: str, category_id: str, parser: str, name: str) -> str:
        request = models.AddFileRequest(category_id=category_id, lease_id=lease_id, parser=parser)
        with self._connection.call(f"file {name!r}"):
            body = self._client.add_file(self.workspace_id, request).body
        return str(self._data(body, f"file {name!r}").file_id)

    @unrepeatable
    def add_files_from_oss(
        self, *, bucket: str, region: str, keys: Sequence[str], category_id: str = "default"
    ) -> Mapping[str, str]:
        """Take objects of a bucket that Bailian may read and return key -> file id; a refused key is left out."""
        details = [
            models.AddFilesFromAuthorizedOssRequestFileDetails(file_name=key.rpartition("/")[2], oss_key=key)
            for key in keys
        ]
        request = models.AddFilesFromAuthorizedOssRequest(
            category_id=category_id,
            category_type="UNSTRUCTURED",
            oss_bucket_name=bucket,
            oss_region_id=region,
            file_details=details,
        )
        what = f"{len(keys)} objects of bucket {bucket!r}"
        with self._connection.call(what):
            body = self._client.add_files_from_authorized_oss(self.workspace_id, request).body
        added = self._data(body, what).add_file_result_list or []
        return {item.oss_key: item.file_id for item in added if item.file_id}

    @repeatable
    def describe_file(self, *, file_id: str) -> File:
        """Return how far a file is."""
        with self._connection.call(f"file {file_id!r}"):
            body = self._client.describe_file(self.workspace_id, file_id, models.DescribeFileRequest()).body
        data = self._data(body, f"file {file_id!r}")
        return File(data.file_id, data.file_name or "", data.status or "")

    @unrepeatable
    def create_index(
        self,
        *,
        name: str,
        file_ids: Sequence[str],
        embedding_model: str = "text-embedding-v4",
        rerank_model: str = "gte-rerank-hybrid",
        rerank_min_score: float = 0.2,
        chunk_size: int = 512,
        overlap: int = 64,
    ) -> str:
        """Describe an index over files and return its id; ``submit_index_job`` fills it."""
        request = models.CreateIndexRequest(
            name=name,
            structure_type="unstructured",
            source_type="DATA_CENTER_FILE",
            sink_type="BUILT_IN",
            document_ids=list(file_ids),
            embedding_model_name=embedding_model,
            rerank_model_name=rerank_model,
            rerank_min_score=rerank_min_score,
            chunk_size=chunk_size,
            overlap_size=overlap,
        )
        with self._connection.call(f"index {name!r}"):
            body = self._client.create_index(self.workspace_id, request).body
        return str(self._data(body, f"index {name!r}").id)

    @unrepeatable
    def submit_index_job(self, *, index_id: str) -> str:
        """Start filling an index and return the job's id."""
        with self._connection.call(f"index {index_id!r}"):
            body = self._client.submit_index_job(self.workspace_id, models.SubmitIndexJobRequest(index_id)).body
        return str(self._data(body, f"index {index_id!r}").id)

    @unrepeatable
    def add_documents(self, *, index_id: str, file_ids: Sequence[str]) -> str:
        """Start adding files to an index and return the job's id."""
        request = models.SubmitIndexAddDocumentsJobRequest(
            index_id=index_id, document_ids=list(file_ids), source_type="DATA_CENTER_FILE"
        )
        with self._connection.call(f"index {index_id!r}"):
            body = self._client.submit_index_add_documents_job(self.workspace_id, request).body
        return str(self._data(body, f"index {index_id!r}").id)

    @repeatable
    def index_job(self, *, index_id: str, job_id: str, page: int = 1, page_size: int = 10) -> IndexJob:
        """Return how far a job is, with one page of its documents."""
        request = models.GetIndexJobStatusRequest(
            index_id=index_id, job_id=job_id, page_number=page, page_size=page_size
        )
        with self._connection.call(f"job {job_id!r}"):
            body = self._client.get_index_job_status(self.workspace_id, request).body
        data = self._data(body, f"job {job_id!r}")
        return IndexJob(job_id, data.status or "", {item.doc_id: item.status for item in data.documents or []})

    def find_index(self, *, name: str) -> str | None:
        """Return the id of the index of exactly this name, or None."""
        page, seen = 1, 0
        while True:
            # The service also lists indexes whose names only hold this one.
            found, total = self._indexes(name, page)
            for index in found:
                if index.name == name:
                    return str(index.id)
            seen, page = seen + len(found), page + 1
            if not found or seen >= total:
                return None

    @repeatable
    def _indexes(self, name: str, page: int) -> tuple[Sequence[Any], int]:
        request = models.ListIndicesRequest(index_name=name, page_number=str(page), page_size="10")
        with self._connection.call(f"index {name!r}"):
            body = self._client.list_indices(self.workspace_id, request).body
        data = self._data(body, f"index {name!r}")
        return data.indices or [], int(data.total_count or 0)

    @repeatable
    def retrieve(
        self, *, index_id: str, query: str, candidates: int = 50, top: int = 5, rerank_model: str = "gte-rerank-hybrid"
    ) -> Sequence[Node]:
        """Return the best chunks, by vectors and words (``candidates`` of each), reranked."""
        request = models.RetrieveRequest(
            index_id=index_id,
            query=query,
            dense_similarity_top_k=candidates,
            sparse_similarity_top_k=candidates,
            enable_reranking=True,
            rerank=[models.RetrieveRequestRerank(model_name=rerank_model)],
            rerank_top_n=top,
        )
        with self._connection.call(f"index {index_id!r}"):
            body = self._client.retrieve(self.workspace_id, request).body
        nodes = self._data(body, f"index {index_id!r}").nodes or []
        return [Node(node.text or "", float(node.score or 0), dict(node.metadata or {})) for node in nodes]

    @unrepeatable
    def create_app(self, *, name: str, model: str, instructions: str, index_ids: Sequence[str], chunks: int = 5) -> str:
        """Publish an app that answers from indexes and return its id; ``Bailian.ask_app`` asks it."""
        sources = models.CreateAndPulishAgentRequestApplicationConfigRagConfig(
            enable_search=True, knowledge_base_code_list=list(index_ids), top_k=chunks
        )
        request = models.CreateAndPulishAgentRequest(
            name=name,
            model_id=model,
            instructions=instructions,
            application_config=models.CreateAndPulishAgentRequestApplicationConfig(rag_config=sources),
        )
        with self._connection.call(f"app {name!r}"):
            body = self._client.create_and_pulish_agent(self.workspace_id, request).body
        return str(self._data(body, f"app {name!r}"))

    @unrepeatable
    def delete_index(self, *, index_id: str) -> None:
        """Delete an index; the files stay."""
        with self._connection.call(f"index {index_id!r}"):
            body = self._client.delete_index(self.workspace_id, models.DeleteIndexRequest(index_id)).body
        self._succeeded(body, f"index {index_id!r}")

    def _data(self, body: Any, what: str) -> Any:
        self._succeeded(body, what)
        if body.data is None:
            raise ServiceUnavailable(f"Bailian answered without data about {what}", endpoint=self.endpoint)
        return body.data

    def _succeeded(self, body: Any, what: str) -> None:
        expect_success(body.to_map(), service="Bailian", what=what, endpoint=self.endpoint)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
