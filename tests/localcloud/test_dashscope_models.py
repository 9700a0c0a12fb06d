"""The embeddings of the packaged model, through the vendor's client and ours."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import dashscope
import numpy as np
import psutil
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_online import BailianOnline
from searchloom.errors import ServiceRefused
from searchloom.settings import Bailian as BailianSettings
from tests.servers import LocalCloud, local_cloud

pytestmark = pytest.mark.slow
TEXTS = ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Interest rates were raised."]


@pytest.fixture
def settings(cloud: LocalCloud) -> BailianSettings:
    key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
    return BailianSettings(url=cloud.endpoint, api_key=SecretStr(key), read_timeout_s=120)


@pytest.fixture
def ours(settings: BailianSettings) -> Iterator[Bailian]:
    client = Bailian(settings)
    yield client
    client.close()


@pytest.mark.parametrize("dims", [64, 768, 1024])
def test_vectors_have_the_length_that_was_asked_for_and_mean_something(ours: Bailian, dims: int) -> None:
    for dialect in ("native", "compatible"):
        vectors = np.array(list(ours.embed(TEXTS, dims=dims, dialect=dialect)))
        assert vectors.shape == (3, dims)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_the_vendors_client_gets_vectors_and_their_price(
    cloud: LocalCloud, settings: BailianSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", settings.api_key.get_secret_value())
    answer = dashscope.TextEmbedding.call(
        "text-embedding-v4", input=["hello", "big world"], dimension=768, text_type="document", output_type="dense"
    )
    assert answer.status_code == HTTPStatus.OK
    assert [each["text_index"] for each in answer.output["embeddings"]] == [0, 1]
    assert answer.usage["total_tokens"] == 3
    assert len(dashscope.TextEmbedding.call("text-embedding-v2", input=["a"] * 25).output["embeddings"]) == 25


async def test_calls_at_the_same_time_and_after_a_crash_are_answered(
    cloud: LocalCloud, ours: Bailian, settings: BailianSettings
) -> None:
    (before,) = ours.embed(["a"], model="all-minilm-l6-v2")
    assert len(before) == 384
    holders = [each for each in psutil.Process(cloud.pid).children() if "localcloud.dashscope.models" in each.cmdline()]
    assert len(holders) == 1
    holders[0].kill()
    online = BailianOnline(settings)
    answers = await asyncio.gather(*(online.embed(["a"], model="all-minilm-l6-v2") for _ in range(4)))
    await online.aclose()
    assert all(math.dist(before, after) < 1e-4 for (after,) in answers)


def test_the_models_process_ends_with_the_local_cloud_even_when_that_is_killed(tmp_path: Path) -> None:
    with local_cloud(tmp_path) as cloud:
        key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
        client = Bailian(BailianSettings(url=cloud.endpoint, api_key=SecretStr(key), read_timeout_s=120))
        list(client.embed(["a"]))
        client.close()
        (holder,) = psutil.Process(cloud.pid).children()
        os.kill(cloud.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs([holder], timeout=60)
        assert not alive


def test_documents_are_ranked_by_what_they_say(
    cloud: LocalCloud, ours: Bailian, settings: BailianSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dialect in ("native", "compatible"):
        ranked = ours.rerank("the cost of a loan", TEXTS, top_n=2, dialect=dialect)
        assert (ranked[0].index, len(ranked)) == (2, 2)
        assert 1 >= ranked[0].score > ranked[1].score >= 0
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    key = settings.api_key.get_secret_value()
    answer = dashscope.TextReRank.call("gte-rerank-v2", "money", TEXTS, return_documents=True, top_n=1, api_key=key)
    assert [each["document"]["text"] for each in answer.output["results"]] == TEXTS[2:]
    assert answer.usage["total_tokens"] > 10


def test_a_text_that_is_too_long_is_refused(ours: Bailian) -> None:
    with pytest.raises(ServiceRefused, match="2048"):
        list(ours.embed(["word " * 2049], model="text-embedding-v2"))
    assert len(next(ours.embed(["word " * 2049]))) == 1024
