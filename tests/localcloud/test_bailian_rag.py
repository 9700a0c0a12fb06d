"""Bailian's RAG, judged by the vendor's client and by ours."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import dashscope
import httpx
import oss2
import pytest
from alibabacloud_bailian20231229 import models
from alibabacloud_bailian20231229.client import Client
from alibabacloud_tea_openapi.models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from localcloud.bailian.texts import cut, words_of
from searchloom.cloud.bailian_rag import BailianRag, IndexJob
from searchloom.errors import ServiceConflict, ServiceNotFound
from searchloom.settings import Acs
from tests.cloud.golden import CAPTURES, needs_captures
from tests.localcloud.acs_clients import config, wait_for
from tests.localcloud.dashscope_clients import order_fault, our_client, point_vendors_package
from tests.servers import LocalCloud, local_cloud

WORKSPACE = "llm-ws1"
WINGS = "A wing makes lift because air flows faster over its curved upper side. The pressure there is lower."
GARDEN = "Tomatoes grow well in warm soil. Water them at the root, never on the leaves, twice a week."
CHINESE = "压气机由多级叶片组成。空气在每一级被压缩。发动机的效率取决于压缩比。"


def rag_of(cloud: LocalCloud, workspace: str = WORKSPACE) -> BailianRag:
    settings = Acs(
        access_key_id=cloud.access_key_id,
        access_key_secret=SecretStr(cloud.access_key_secret),
        endpoints={"bailian": cloud.endpoint},
        region=cloud.region,
    )
    return BailianRag(settings, workspace_id=workspace)


@pytest.fixture
def rag(cloud: LocalCloud) -> BailianRag:
    return rag_of(cloud)


@pytest.fixture
def vendor(cloud: LocalCloud) -> Client:
    return Client(config(cloud))


@pytest.fixture
def file_ids(rag: BailianRag, tmp_path: Path) -> list[str]:
    """Three files of different subjects, the last in Chinese."""
    return [_added(rag, tmp_path / name, text) for name, text in _FILES]


_FILES = [("wings.txt", WINGS), ("garden ü.md", f"# Garden\n\n{GARDEN}"), ("压气机.html", f"<p>{CHINESE}</p>")]


def test_files_become_an_index_that_finds_what_is_asked_for(rag: BailianRag, file_ids: list[str]) -> None:
    index_id = _index(rag, file_ids[:2])
    assert _filled(rag, index_id).documents == dict.fromkeys(file_ids[:2], "FINISH")
    assert _best(rag, index_id, "How often should I water tomatoes?") == file_ids[1]
    assert _best(rag, index_id, "Why does a plane stay in the air?") == file_ids[0]
    nodes = rag.retrieve(index_id=index_id, query="tomatoes", top=2)
    assert len(nodes) <= 2
    assert nodes[0].metadata["doc_name"] == "garden ü.md"
    assert 0 <= nodes[-1].score <= nodes[0].score <= 1
    job_id = rag.add_documents(index_id=index_id, file_ids=file_ids[2:])
    assert _ended(rag, index_id, job_id).documents == {file_ids[2]: "FINISH"}
    assert _best(rag, index_id, "压气机") == file_ids[2]
    rag.delete_index(index_id=index_id)
    with pytest.raises(ServiceNotFound, match=r"Index\.NotExist"):
        rag.retrieve(index_id=index_id, query="tomatoes")


def test_objects_of_a_bucket_become_files_and_those_that_are_not_there_do_not(
    rag: BailianRag, bucket: oss2.Bucket
) -> None:
    bucket.put_object("docs/wings.txt", WINGS)
    bucket.put_object("docs/tool.exe", b"MZ")
    keys = ["docs/wings.txt", "docs/none.txt", "docs/tool.exe"]
    added = rag.add_files_from_oss(bucket=bucket.bucket_name, region="cn-hangzhou", keys=keys)
    assert list(added) == ["docs/wings.txt"]
    file = wait_for(lambda: rag.describe_file(file_id=added["docs/wings.txt"]), _is_read)
    assert (file.name, file.status) == ("wings.txt", "PARSE_SUCCESS")
    with pytest.raises(ServiceNotFound):
        rag.add_files_from_oss(bucket="no-such-bucket", region="cn-hangzhou", keys=keys)


def test_a_file_that_cannot_be_read_is_named_by_the_job(rag: BailianRag, tmp_path: Path, file_ids: list[str]) -> None:
    broken = _added(rag, tmp_path / "scan.pdf", "%PDF-1.7", status="PARSE_FAILED")
    job = _filled(rag, _index(rag, [broken, file_ids[0]]))
    assert (job.status, job.documents) == ("COMPLETED", {broken: "INSERT_ERROR", file_ids[0]: "FINISH"})
    assert _filled(rag, _index(rag, [broken])).status == "FAILED"


def test_what_was_uploaded_must_be_what_was_announced(vendor: Client) -> None:
    content = b"announced"
    request = models.ApplyFileUploadLeaseRequest(
        file_name="a.txt", md_5=hashlib.md5(content).hexdigest(), size_in_bytes=str(len(content))
    )
    lease = vendor.apply_file_upload_lease("default", WORKSPACE, request).body.data
    add = models.AddFileRequest(category_id="default", lease_id=lease.file_upload_lease_id, parser="DASHSCOPE_DOCMIND")
    assert vendor.add_file(WORKSPACE, add).body.code == "File.NotUploaded"
    forged = lease.param.url.replace("Signature=", "Signature=x")
    assert httpx.put(forged, content=content, headers=lease.param.headers).status_code == 403
    httpx.put(lease.param.url, content=b"different", headers=lease.param.headers).raise_for_status()
    refused = vendor.add_file(WORKSPACE, add).body
    assert (refused.success, refused.status, refused.code) == (False, "400", "File.ContentMismatch")
    httpx.put(lease.param.url, content=content, headers=lease.param.headers).raise_for_status()
    assert vendor.add_file(WORKSPACE, add).body.success
    assert vendor.add_file(WORKSPACE, add).body.code == "FileUploadLease.NotExist"


def test_refusals_come_with_http_200(vendor: Client) -> None:
    answer = vendor.submit_index_job(WORKSPACE, models.SubmitIndexJobRequest("none"))
    assert (answer.status_code, answer.body.success, answer.body.code) == (200, False, "Index.NotExist")
    index = models.CreateIndexRequest(
        name="i", structure_type="unstructured", sink_type="BUILT_IN", document_ids=["none"]
    )
    assert vendor.create_index(WORKSPACE, index).body.code == "File.NotExist"
    index.embedding_model_name = "word2vec"
    assert vendor.create_index(WORKSPACE, index).body.code == "InvalidParameter"
    lease = models.ApplyFileUploadLeaseRequest(file_name="a.exe", md_5="x", size_in_bytes="1")
    assert vendor.apply_file_upload_lease("default", WORKSPACE, lease).body.code == "InvalidParameter"


def test_workspaces_do_not_see_each_other(cloud: LocalCloud, rag: BailianRag, file_ids: list[str]) -> None:
    index_id = _index(rag, file_ids[:1])
    other = rag_of(cloud, "llm-other")
    for look in (
        lambda: other.describe_file(file_id=file_ids[0]),
        lambda: other.submit_index_job(index_id=index_id),
        lambda: other.create_index(name="mine", file_ids=file_ids[:1]),
    ):
        with pytest.raises(ServiceNotFound):
            look()


def test_files_and_indexes_are_listed_a_page_at_a_time(rag: BailianRag, vendor: Client, tmp_path: Path) -> None:
    category = secrets.token_hex(4)
    ids = [_added(rag, tmp_path / f"{number}.txt", WINGS, category=category) for number in range(3)]
    first = vendor.list_file(WORKSPACE, models.ListFileRequest(category_id=category, max_results=2)).body.data
    request = models.ListFileRequest(category_id=category, max_results=2, next_token=first.next_token)
    second = vendor.list_file(WORKSPACE, request).body.data
    assert sorted(each.file_id for page in (first, second) for each in page.file_list) == sorted(ids)
    assert (first.has_next, second.has_next, first.total_count) == (True, False, 3)
    assert vendor.delete_file(ids[0], WORKSPACE, models.DeleteFileRequest()).body.data.file_id == ids[0]
    with pytest.raises(ServiceNotFound):
        rag.describe_file(file_id=ids[0])
    name = secrets.token_hex(4)
    index_id = rag.create_index(name=name, file_ids=ids[1:])
    assert rag.find_index(name=name) == index_id
    assert rag.find_index(name=name[:-1]) is None
    with pytest.raises(ServiceConflict, match="NameDuplicate"):
        rag.create_index(name=name, file_ids=ids[1:])


def test_a_job_can_be_ordered_to_fail(cloud: LocalCloud, rag: BailianRag, file_ids: list[str]) -> None:
    order_fault(cloud, "bailian", "SubmitIndexJob", "failed_job")
    assert _filled(rag, _index(rag, file_ids[:1])).status == "FAILED"


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_an_index_is_filled_once_whenever_the_local_cloud_is_killed(tmp_path: Path) -> None:
    text = "\n\n".join(f"Chapter {number} is about the flow of air in duct {number}." for number in range(60))
    state, secret = tmp_path / "state", "s" * 30
    with local_cloud(state, access_key_secret=secret) as cloud:
        rag = rag_of(cloud)
        index_id = rag.create_index(
            name="ducts", file_ids=[_added(rag, tmp_path / "a.txt", text)], chunk_size=16, overlap=0
        )
        job_id = rag.submit_index_job(index_id=index_id)
        wait_for(lambda: rag.index_job(index_id=index_id, job_id=job_id).status, lambda status: status != "PENDING")
        cloud.kill()
    with local_cloud(state, access_key_secret=secret) as cloud:
        rag = rag_of(cloud)
        assert _ended(rag, index_id, job_id).status == "COMPLETED"
        nodes = rag.retrieve(index_id=index_id, query="the flow of air in duct 7", candidates=100, top=20)
        assert "duct 7." in nodes[0].text
        assert len({node.text for node in nodes}) == len(nodes) == 20


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_an_app_answers_from_its_index(
    cloud: LocalCloud, rag: BailianRag, file_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index_id = _index(rag, file_ids[:2])
    _filled(rag, index_id)
    app_id = rag.create_app(name="a", model="qwen-plus", instructions="Answer shortly.", index_ids=[index_id])
    with our_client(cloud) as ours:
        answer = ours.ask_app("How often should I water tomatoes?", app_id=app_id)
    assert answer.text
    assert answer.documents[0] == "garden ü.md"
    point_vendors_package(cloud, monkeypatch)
    again = dashscope.Application.call(
        app_id=app_id, prompt="And where?", session_id=answer.session_id, rag_options={"pipeline_ids": [index_id]}
    )
    assert again.output.session_id == answer.session_id
    with pytest.raises(ServiceNotFound):
        rag.create_app(name="a", model="qwen-plus", instructions="", index_ids=["none"])


def test_the_vendors_recorded_requests_are_understood(vendor: Client) -> None:
    needs_captures()
    captures = sorted(CAPTURES.glob("bailian.*.json"))
    assert captures
    for path in captures:
        recorded = json.loads(path.read_text())["requests"][0]
        answer = _sent(vendor, recorded)
        said = answer.get("Code") or answer.get("code") or "Success"
        assert said == "Success" or said.endswith("NotExist"), (path.name, answer)


@given(
    st.text(st.sampled_from("ab 风。.\n!_-"), max_size=300),
    st.integers(1, 20),
    st.integers(0, 30),
)
def test_every_word_is_in_a_piece_and_no_piece_is_too_long(text: str, size: int, overlap: int) -> None:
    pieces = cut(text, size=size, overlap=min(overlap, size - 1))
    kept = [word for piece in pieces for word in words_of(piece)]
    assert all(len(words_of(piece)) <= size for piece in pieces)
    assert set(words_of(text)) <= set(kept)
    assert cut(text, size=size, overlap=0) == [] or [
        word for piece in cut(text, size=size, overlap=0) for word in words_of(piece)
    ] == words_of(text)


def _sent(vendor: Client, recorded: dict[str, Any]) -> dict[str, Any]:
    params = Params(
        action=recorded["headers"]["x-acs-action"],
        version="2023-12-29",
        protocol="HTTP",
        pathname=recorded["path"],
        method=recorded["method"],
        auth_type="AK",
        style="ROA",
        req_body_type="formData",
        body_type="json",
    )
    body = dict(parse_qsl(recorded["body"])) if recorded["body"] else None
    request = OpenApiRequest(query=dict(recorded["query"]), body=body)
    answer: dict[str, Any] = vendor.call_api(params, request, RuntimeOptions())["body"]
    return answer


def _added(rag: BailianRag, path: Path, text: str, *, category: str = "default", status: str = "PARSE_SUCCESS") -> str:
    path.write_text(text, encoding="utf-8")
    file_id = rag.add_file(path=path, category_id=category)
    assert wait_for(lambda: rag.describe_file(file_id=file_id), _is_read).status == status
    return file_id


def _is_read(file: Any) -> bool:
    return file.status in {"PARSE_SUCCESS", "PARSE_FAILED"}


def _index(rag: BailianRag, file_ids: list[str]) -> str:
    return rag.create_index(name=secrets.token_hex(6), file_ids=file_ids)


def _filled(rag: BailianRag, index_id: str) -> IndexJob:
    return _ended(rag, index_id, rag.submit_index_job(index_id=index_id))


def _ended(rag: BailianRag, index_id: str, job_id: str) -> IndexJob:
    return wait_for(
        lambda: rag.index_job(index_id=index_id, job_id=job_id),
        lambda job: job.status in {"COMPLETED", "FAILED"},
        240,
    )


def _best(rag: BailianRag, index_id: str, query: str) -> str:
    return str(rag.retrieve(index_id=index_id, query=query)[0].metadata["doc_id"])
