"""The AI search platform by the models of this machine, and the description of the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.models import Config as CredentialsConfig
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config

from localcloud.credentials import Keyring
from searchloom.settings import EngineName
from tests.localcloud.acs_clients import call, config
from tests.servers import LocalCloud, local_cloud

SEARCHPLAT = "2024-05-29"
WORKSPACE = "/v3/openapi/workspaces/default"
EMBEDDING = f"{WORKSPACE}/text-embedding/ops-text-embedding-001"
RANKING = f"{WORKSPACE}/ranker/ops-bge-reranker-larger"


def bearer(cloud: LocalCloud, key: str | None = None) -> Config:
    key = key or Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
    credential = Credentials(CredentialsConfig(type="bearer", bearer_token=key))
    return Config(
        credential=credential,
        endpoint=cloud.endpoint.removeprefix("http://"),
        protocol="http",
    )


def ask(settings: Config, action: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return call(settings, SEARCHPLAT, action, "POST", path, body=body)


@pytest.mark.slow
def test_texts_become_vectors_and_documents_scores(cloud: LocalCloud) -> None:
    signed = config(cloud)
    texts = [f"text {number}" for number in range(12)]
    answer = ask(signed, "GetTextEmbedding", EMBEDDING, {"input": texts, "input_type": "document"})
    assert [each["index"] for each in answer["result"]["embeddings"]] == list(range(12))
    assert {len(each["embedding"]) for each in answer["result"]["embeddings"]} == {384}
    assert answer["usage"]["token_count"] > 12
    assert answer["request_id"]
    ranked = ask(signed, "GetDocumentRank", RANKING, {"query": "sea", "docs": ["a dry desert", "the wide ocean"]})
    assert ranked["result"]["scores"][0]["index"] == 1
    assert ranked["usage"] == {"doc_count": 2}
    by_key = ask(bearer(cloud), "GetTextEmbedding", EMBEDDING, {"input": "text 0"})
    alone, among_others = (one["result"]["embeddings"][0]["embedding"] for one in (by_key, answer))
    assert alone == pytest.approx(among_others, abs=1e-5), "sums are rounded otherwise in a batch"


def test_an_api_key_is_checked_and_good_for_this_service_only(cloud: LocalCloud) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        ask(bearer(cloud, "sk-somebody-else"), "GetTextEmbedding", EMBEDDING, {"input": "x"})
    assert (caught.value.code, caught.value.status_code) == ("InvalidApiKey", 401)
    with pytest.raises(AlibabaCloudException) as caught:
        call(bearer(cloud), "2020-12-03", "ListJobs", "GET", "/api/v1/jobs")
    assert caught.value.code == "IncompleteSignature"


@pytest.mark.parametrize(
    ("action", "path", "body"),
    [
        ("GetTextEmbedding", EMBEDDING, {"input": ["x"] * 33}),
        ("GetTextEmbedding", EMBEDDING, {"input": []}),
        ("GetTextEmbedding", EMBEDDING, {"input": ["x"], "input_type": "other"}),
        ("GetDocumentRank", RANKING, {"query": "", "docs": ["x"]}),
        ("GetDocumentRank", RANKING, {"query": "x", "docs": []}),
        ("GetDocumentRank", f"{WORKSPACE}/ranker/nothing", {"query": "x", "docs": ["x"]}),
    ],
)
def test_what_is_out_of_bounds_is_refused(cloud: LocalCloud, action: str, path: str, body: dict[str, Any]) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        ask(config(cloud), action, path, body)
    assert caught.value.status_code in {400, 404}
    assert caught.value.request_id


def test_an_engine_that_is_not_there_has_no_instance(cloud: LocalCloud) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        call(config(cloud), "2017-06-13", "DescribeInstance", "GET", "/openapi/instances/es-cn-1")
    assert caught.value.code == "InstanceNotFound"


@pytest.fixture(scope="module")
def beside_engine(engine_urls: dict[EngineName, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALCLOUD_ELASTICSEARCH_URL", engine_urls["elasticsearch"])
        folder: Path = tmp_path_factory.mktemp("beside-engine")
        with local_cloud(folder) as running:
            yield running


@pytest.mark.slow
def test_the_engine_is_described_by_itself(beside_engine: LocalCloud, engine_urls: dict[EngineName, str]) -> None:
    answer = call(config(beside_engine), "2017-06-13", "DescribeInstance", "GET", "/openapi/instances/es-cn-1")
    found = answer["Result"]
    assert (found["instanceId"], found["status"], found["protocol"]) == ("es-cn-1", "active", "HTTP")
    assert f"http://{found['domain']}:{found['port']}" == engine_urls["elasticsearch"]
    assert found["esVersion"].count(".") == 2
