"""Embeddings of whole files: a task that outlives the local cloud, judged by the vendor's client."""

from __future__ import annotations

import gzip
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import dashscope
import httpx
import pytest

from localcloud.credentials import Keyring
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud, local_cloud

pytestmark = pytest.mark.slow
SECRET = "0123456789abcdef"
COUNT = 400


def theirs(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", Keyring(cloud.access_key_id, cloud.access_key_secret).api_key)


def lines_of(url: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(httpx.get(url).content).splitlines()]


def test_a_task_that_was_killed_with_the_local_cloud_is_finished_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"text number {number}\n" for number in range(COUNT)) + "\n" + "word " * 3000
    with local_cloud(tmp_path, access_key_secret=SECRET) as cloud:
        theirs(cloud, monkeypatch)
        bucket = bucket_of(cloud, "batch")
        bucket.create_bucket()
        bucket.put_object("texts.txt", text.encode())
        url = bucket.sign_url("GET", "texts.txt", 600, slash_safe=True)
        made = dashscope.BatchTextEmbedding.async_call("text-embedding-async-v2", url=url, text_type="document")
        assert (made.status_code, made.output["task_status"]) == (HTTPStatus.OK, "PENDING")
        task_id = made.output["task_id"]
        part = tmp_path / "dashscope" / "tasks" / f"{task_id}.part"
        while not (part.exists() and part.stat().st_size):
            time.sleep(0.01)
        cloud.kill()
    done_before = part.read_bytes().count(b"\n")
    assert 0 < done_before < COUNT
    with local_cloud(tmp_path, access_key_secret=SECRET) as cloud:
        theirs(cloud, monkeypatch)
        ended = dashscope.BatchTextEmbedding.wait(task_id)
        assert ended.output["task_status"] == "SUCCEEDED"
        rows = lines_of(ended.output["url"])
        assert [row["output"]["text_index"] for row in rows] == list(range(COUNT + 2))
        assert [row["output"]["code"] for row in rows] == [200] * COUNT + [400, 400]
        assert {len(row["output"]["embedding"]) for row in rows[:COUNT]} == {1536}
        assert ended.usage["total_tokens"] == sum(row["usage"]["total_tokens"] for row in rows)


def test_a_task_can_be_told_to_fail(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs(cloud, monkeypatch)
    fault = {"service": "dashscope", "action": "TextEmbedding", "kind": "failed_job"}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault)
    ended = dashscope.BatchTextEmbedding.call("text-embedding-async-v1", url=f"{cloud.endpoint}/x")
    assert (ended.output["task_status"], ended.output["code"]) == ("FAILED", "InternalError")
