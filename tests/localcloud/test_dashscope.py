"""DashScope's calls, judged by the vendor's client and by ours."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import dashscope
import httpx
import oss2
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.errors import ServiceNotFound, ServiceRefused
from searchloom.settings import Bailian as BailianSettings
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud

EMBEDDING = "/api/v1/services/embeddings/text-embedding/text-embedding"
LINE = '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}\n'


@pytest.fixture
def key(cloud: LocalCloud) -> str:
    return Keyring(cloud.access_key_id, cloud.access_key_secret).api_key


@pytest.fixture
def http(cloud: LocalCloud, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cloud.endpoint, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


@pytest.fixture
def ours(cloud: LocalCloud, key: str) -> Iterator[Bailian]:
    client = Bailian(BailianSettings(url=cloud.endpoint, api_key=SecretStr(key), read_timeout_s=30))
    yield client
    client.close()


@pytest.fixture
def theirs(cloud: LocalCloud, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's package, pointed at the local cloud."""
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", key)


def texts(count: int, model: str = "text-embedding-v4", **parameters: Any) -> dict[str, Any]:
    return {"model": model, "parameters": parameters, "input": {"texts": ["a"] * count}}


@pytest.mark.usefixtures("theirs")
def test_a_wrong_key_is_refused_in_the_callers_dialect(cloud: LocalCloud) -> None:
    answer = dashscope.TextEmbedding.call("text-embedding-v4", input="a", api_key="sk-wrong")
    assert (answer.status_code, answer.code) == (HTTPStatus.UNAUTHORIZED, "InvalidApiKey")
    assert answer.request_id
    missing = httpx.post(f"{cloud.endpoint}/compatible-mode/v1/embeddings", json={"model": "m", "input": "a"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (texts(11), 400, "InvalidParameter"),
        (texts(26, "text-embedding-v2"), 400, "InvalidParameter"),
        (texts(0), 400, "InvalidParameter"),
        (texts(1, dimension=100), 400, "InvalidParameter"),
        (texts(1, dimension=True), 400, "InvalidParameter"),
        (texts(1, output_type="sparse"), 400, "InvalidParameter"),
        (texts(1, text_type="title"), 400, "InvalidParameter"),
        ({"model": "text-embedding-v4", "input": {"texts": [" "]}}, 400, "InvalidParameter"),
        ({"model": "text-embedding-v4", "input": {"texts": [1]}}, 400, "InvalidParameter"),
        ({"model": "text-embedding-v4", "input": "a"}, 400, "InvalidParameter"),
        (texts(1, "qwen-plus"), 404, "ModelNotFound"),
        ({}, 400, "InvalidParameter"),
        ([], 400, "InvalidParameter"),
    ],
)
def test_what_is_outside_the_limits_is_refused(http: httpx.Client, body: Any, status: int, code: str) -> None:
    answer = http.post(EMBEDDING, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": "text-embedding-v4"}, "model_not_found"),
        ({"query": ""}, "invalid_parameter_error"),
        ({"documents": ["a"] * 501}, "invalid_parameter_error"),
        ({"documents": []}, "invalid_parameter_error"),
        ({"documents": [{"image": "a"}]}, "invalid_parameter_error"),
        ({"top_n": 0}, "invalid_parameter_error"),
    ],
)
def test_what_cannot_be_ranked_is_refused_in_both_dialects(
    http: httpx.Client, changes: dict[str, Any], code: str
) -> None:
    body = {"model": "qwen3-rerank", "query": "q", "documents": ["a"], **changes}
    answer = http.post("/compatible-api/v1/reranks", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404 if code == "model_not_found" else 400, code)
    parameters = {"top_n": body.pop("top_n")} if "top_n" in body else {}
    native = {"model": body.pop("model"), "input": body, "parameters": parameters}
    assert http.post("/api/v1/services/rerank/text-rerank/text-rerank", json=native).status_code == answer.status_code


@pytest.mark.usefixtures("theirs")
def test_the_vendors_client_uploads_lists_reads_and_deletes_files(tmp_path: Path) -> None:
    path = tmp_path / "train ü.jsonl"
    path.write_text(LINE * 3, encoding="utf-8")
    uploaded = dashscope.Files.upload(str(path), purpose="fine-tune", description="d").output
    assert (uploaded["failed_uploads"], len(uploaded["uploaded_files"])) == ([], 1)
    file_id = uploaded["uploaded_files"][0]["file_id"]
    found = dashscope.Files.get(file_id).output
    assert (found["size"], found["description"]) == (len(LINE) * 3, "d")
    assert file_id in [each["file_id"] for each in dashscope.Files.list(page_size=100).output["files"]]
    assert dashscope.Files.delete(file_id).status_code == HTTPStatus.OK
    gone = dashscope.Files.get(file_id)
    assert (gone.status_code, gone.code) == (HTTPStatus.NOT_FOUND, "NotFound")


def test_our_client_uploads_lists_and_deletes_files(ours: Bailian, tmp_path: Path) -> None:
    path = tmp_path / f"{secrets.token_hex(4)}.jsonl"
    path.write_text(LINE * 50_000)  # more than is held in memory
    first, second = (ours.upload_file(path=path) for _ in range(2))
    assert [pair for pair in ours.file_names() if pair[1] == path.name] == [(second, path.name), (first, path.name)]
    for file_id in (first, second):
        ours.delete_file(file_id=file_id)
    with pytest.raises(ServiceNotFound):
        ours.delete_file(file_id=first)
    path.write_text("")
    with pytest.raises(ServiceRefused, match="empty"):
        ours.upload_file(path=path)


def test_pages_of_files_add_up(http: httpx.Client) -> None:
    form = [("files", (f"f{number}", b"x")) for number in range(3)]
    ids = [each["file_id"] for each in http.post("/api/v1/files", files=form).json()["data"]["uploaded_files"]]
    pages = [http.get("/api/v1/files", params={"page_no": n, "page_size": 2}).json()["data"] for n in (1, 2)]
    assert [each["file_id"] for page in pages for each in page["files"]][:3] == ids[::-1]
    assert pages[0]["total"] >= 3
    assert http.get("/api/v1/files", params={"page_size": 0}).json()["code"] == "InvalidParameter"
    assert http.post("/api/v1/files", content=b"none").json()["code"] == "InvalidParameter"


def test_what_is_not_served_says_so(http: httpx.Client) -> None:
    answer = http.post("/api/v1/services/aigc/image-generation/generation", json={})
    assert answer.status_code == 404
    assert "does not serve POST" in answer.json()["message"]


def test_a_limit_and_an_outage_can_be_ordered(http: httpx.Client) -> None:
    for kind, status, code in (("429", 429, "Throttling.RateQuota"), ("503", 503, "ServiceUnavailable")):
        http.post("/_faults", json={"service": "dashscope", "action": "ListModels", "kind": kind})
        refused = http.get("/api/v1/models")
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert "text-embedding-v4" in [each["model"] for each in http.get("/api/v1/models").json()["output"]["models"]]


def test_a_bucket_may_be_called_like_dashscopes_paths(cloud: LocalCloud) -> None:
    for version in ("v1", "v4"):
        bucket: oss2.Bucket = bucket_of(cloud, "api", version)
        bucket.create_bucket()
        bucket.put_object("v1/files", b"mine")
        assert bucket.get_object("v1/files").read() == b"mine"
        assert httpx.get(bucket.sign_url("GET", "v1/files", 60, slash_safe=True)).content == b"mine"


def test_a_throttled_client_of_ours_tries_again(cloud: LocalCloud, ours: Bailian) -> None:
    fault = {"service": "dashscope", "action": "ListFiles", "kind": "429", "count": 1}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault)
    list(ours.file_names())
    assert httpx.get(f"{cloud.endpoint}/_faults").json()["faults"] == []
