from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from searchloom.cloud.bailian_rag import BailianRag
from searchloom.errors import ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Acs
from tests.cloud.golden import Wire, check, check_signed
from tests.cloud.recording import Answer, Recorder

WORKSPACE = "llm-ws1"


@pytest.fixture
def rag(acs: Acs) -> BailianRag:
    return BailianRag(acs, workspace_id=WORKSPACE)


def ok(**data: object) -> Answer:
    return Answer(body={"RequestId": "R", "Success": True, "Status": "200", "Code": "Success", "Data": data})


def test_calls_are_those_of_the_vendors_sdk(rag: BailianRag, server: Recorder) -> None:
    index = [
        ("ChunkSize", "512"),
        ("DocumentIds", '["file_1"]'),
        ("EmbeddingModelName", "text-embedding-v4"),
        ("Name", "domain-rag"),
        ("OverlapSize", "64"),
        ("RerankMinScore", "0.2"),
        ("RerankModelName", "gte-rerank-hybrid"),
        ("SinkType", "BUILT_IN"),
        ("SourceType", "DATA_CENTER_FILE"),
        ("StructureType", "unstructured"),
    ]
    retrieval = [
        ("DenseSimilarityTopK", "50"),
        ("EnableReranking", "True"),
        ("IndexId", "idx1"),
        ("Query", "q"),
        ("Rerank", '[{"ModelName":"gte-rerank-hybrid"}]'),
        ("RerankTopN", "5"),
        ("SparseSimilarityTopK", "50"),
    ]
    status = [("IndexId", "idx1"), ("JobId", "job1"), ("PageNumber", "1"), ("pageSize", "10")]
    added = [("DocumentIds", '["file_2"]'), ("IndexId", "idx1"), ("SourceType", "DATA_CENTER_FILE")]
    listed = [("IndexName", "domain"), ("PageNumber", "1"), ("PageSize", "10")]
    one = [("IndexId", "idx1")]
    calls = [
        (
            lambda: rag.describe_file(file_id="file_1"),
            Wire("GET", f"/{WORKSPACE}/datacenter/file/file_1/", capture="bailian.DescribeFile"),
        ),
        (
            lambda: rag.create_index(name="domain-rag", file_ids=["file_1"]),
            Wire("POST", f"/{WORKSPACE}/index/create", index, capture="bailian.CreateIndex"),
        ),
        (
            lambda: rag.submit_index_job(index_id="idx1"),
            Wire("POST", f"/{WORKSPACE}/index/submit_index_job", one, capture="bailian.SubmitIndexJob"),
        ),
        (
            lambda: rag.add_documents(index_id="idx1", file_ids=["file_2"]),
            Wire(
                "POST",
                f"/{WORKSPACE}/index/add_documents_to_index",
                added,
                capture="bailian.SubmitIndexAddDocumentsJob",
            ),
        ),
        (
            lambda: rag.index_job(index_id="idx1", job_id="job1"),
            Wire("GET", f"/{WORKSPACE}/index/job/status", status, capture="bailian.GetIndexJobStatus"),
        ),
        (
            lambda: rag.find_index(name="domain"),
            Wire("GET", f"/{WORKSPACE}/index/list_indices", listed, capture="bailian.ListIndices"),
        ),
        (
            lambda: rag.retrieve(index_id="idx1", query="q"),
            Wire("POST", f"/{WORKSPACE}/index/retrieve", retrieval, capture="bailian.Retrieve"),
        ),
        (
            lambda: rag.delete_index(index_id="idx1"),
            Wire("POST", f"/{WORKSPACE}/index/delete", one, capture="bailian.DeleteIndex"),
        ),
    ]
    for call, wire in calls:
        server.will(ok(Id="x"))
        call()
        check_signed(server.only, wire, action=server.only.headers["x-acs-action"], version="2023-12-29")


def test_a_file_goes_up_by_a_lease(rag: BailianRag, server: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"content")
    target = {
        "Url": f"{server.url}/upload?sig=x",
        "Method": "PUT",
        "Headers": {"X-bailian-extra": "e", "Content-Type": "application/pdf"},
    }
    server.will(ok(FileUploadLeaseId="lease1", Param=target), Answer(), ok(FileId="file_1"))
    assert rag.add_file(path=path, category_id="cate_1") == "file_1"
    lease, upload, added = server.requests
    md5 = hashlib.md5(b"content").hexdigest()
    form = f"FileName=a.pdf&Md5={md5}&SizeInBytes=7"
    check(lease, Wire("POST", f"/{WORKSPACE}/datacenter/category/cate_1", body=form))
    assert (upload.method, upload.path, upload.query, upload.raw) == ("PUT", "/upload", [("sig", "x")], b"content")
    assert (upload.headers["x-bailian-extra"], upload.headers["content-type"]) == ("e", "application/pdf")
    assert "authorization" not in upload.headers
    form = "CategoryId=cate_1&LeaseId=lease1&Parser=DASHSCOPE_DOCMIND"
    check(added, Wire("PUT", f"/{WORKSPACE}/datacenter/file", body=form))


def test_objects_of_a_bucket_become_files(rag: BailianRag, server: Recorder) -> None:
    added = [{"FileId": "file_1", "OssKey": "docs/a.pdf"}, {"OssKey": "docs/b.exe", "Msg": "type not taken"}]
    server.will(ok(AddFileResultList=added))
    keys = ["docs/a.pdf"]
    assert rag.add_files_from_oss(bucket="b", region="cn-beijing", keys=keys, category_id="cate_1") == {
        "docs/a.pdf": "file_1"
    }
    form = (
        "CategoryId=cate_1&CategoryType=UNSTRUCTURED&OssBucketName=b&OssRegionId=cn-beijing"
        "&FileDetails=%5B%7B%22FileName%22%3A%22a.pdf%22%2C%22OssKey%22%3A%22docs%2Fa.pdf%22%7D%5D"
    )
    path = f"/{WORKSPACE}/datacenter/file/fromoss"
    check(server.only, Wire("POST", path, body=form, capture="bailian.AddFilesFromAuthorizedOss"))


def test_an_app_over_an_index(rag: BailianRag, server: Recorder) -> None:
    server.will(Answer(body={"requestId": "R", "success": True, "httpStatusCode": "200", "data": "app1"}))
    made = rag.create_app(name="domain-rag", model="qwen-plus", instructions="i", index_ids=["idx1"])
    assert made == "app1"
    form = (
        "applicationConfig=%7B%22ragConfig%22%3A%7B%22enableSearch%22%3Atrue%2C%22knowledgeBaseCodeList%22%3A%5B"
        "%22idx1%22%5D%2C%22topK%22%3A5%7D%2C%22tools%22%3A%5B%5D%2C%22workFlows%22%3A%5B%5D%7D"
        "&instructions=i&modelId=qwen-plus&name=domain-rag"
    )
    path = f"/{WORKSPACE}/application/agents"
    check(server.only, Wire("POST", path, body=form, capture="bailian.CreateAndPulishAgent"))


def test_an_error_inside_http_200_is_an_error(rag: BailianRag, server: Recorder) -> None:
    failed = {"RequestId": "R-9", "Success": False, "Status": "400", "Code": "Index.NotExist", "Message": "no index"}
    server.will(Answer(body=failed))
    with pytest.raises(ServiceNotFound, match="no index") as caught:
        rag.submit_index_job(index_id="x")
    assert (caught.value.code, caught.value.request_id) == ("Index.NotExist", "R-9")
    server.will(Answer(body={**failed, "Code": "InvalidParameter"}))
    with pytest.raises(ServiceRefused):
        rag.retrieve(index_id="x", query="q")
    server.will(Answer(body={**failed, "Code": "Throttling.User"}), ok(Nodes=[{"Text": "t", "Score": 0.5}]))
    assert rag.retrieve(index_id="x", query="q")[0].score == 0.5
    server.will(Answer(body={"RequestId": "R", "Success": True}))
    with pytest.raises(ServiceUnavailable, match="without data"):
        rag.submit_index_job(index_id="x")


def test_the_state_of_a_job_and_of_its_documents(rag: BailianRag, server: Recorder) -> None:
    server.will(ok(Status="COMPLETED", JobId="job1", Documents=[{"DocId": "file_1", "Status": "FINISH"}]))
    job = rag.index_job(index_id="idx1", job_id="job1")
    assert (job.status, job.documents) == ("COMPLETED", {"file_1": "FINISH"})
