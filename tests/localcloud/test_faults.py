"""Misbehaviour on demand."""

from __future__ import annotations

import time
from collections.abc import Iterator

import oss2
import pytest
import requests

from tests.localcloud.test_signatures import refusal
from tests.servers import LocalCloud


@pytest.fixture(autouse=True)
def no_faults_left(cloud: LocalCloud) -> Iterator[None]:
    yield
    requests.delete(f"{cloud.endpoint}/_faults", timeout=10)


def ask(cloud: LocalCloud, action: str, kind: str, **more: float) -> None:
    fault = {"service": "oss", "action": action, "kind": kind, **more}
    assert requests.post(f"{cloud.endpoint}/_faults", json=fault, timeout=10).status_code == 200


def test_refusals_come_as_often_as_asked_and_only_for_the_action(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("key", b"data")
    ask(cloud, "GetObject", "503", count=2)
    bucket.head_object("key")
    assert [refusal(bucket.get_object, "key").code for _ in range(2)] == ["ServiceUnavailable"] * 2
    assert bucket.get_object("key").read() == b"data"
    ask(cloud, "*", "429")
    error = refusal(bucket.put_object, "key", b"other")
    assert (error.status, error.code) == (429, "QpsLimitExceeded")
    assert bucket.get_object("key").read() == b"data"


def test_a_lost_answer_did_the_work(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    ask(cloud, "PutObject", "lost_answer")
    with pytest.raises(oss2.exceptions.RequestError):
        bucket.put_object("key", b"data")
    assert bucket.get_object("key").read() == b"data"


def test_a_cut_answer_is_half_an_answer(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("key", bytes(10_000))
    url = bucket.sign_url("GET", "key", 60)
    ask(cloud, "GetObject", "cut")
    answer = requests.get(url, stream=True, timeout=10)
    received: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        received.extend(answer.iter_content(100))
    assert sum(map(len, received)) == 5_000
    assert requests.get(url, timeout=10).content == bytes(10_000)


def test_a_slow_answer_takes_its_time(cloud: LocalCloud, bucket: oss2.Bucket) -> None:
    bucket.put_object("key", b"data")
    ask(cloud, "HeadObject", "slow", delay_s=0.5)
    begun = time.monotonic()
    bucket.head_object("key")
    assert time.monotonic() - begun >= 0.5


def test_faults_are_listed_and_nonsense_is_refused(cloud: LocalCloud) -> None:
    ask(cloud, "GetObject", "503", count=3)
    listed = requests.get(f"{cloud.endpoint}/_faults", timeout=10).json()["faults"]
    assert [(fault["action"], fault["count"]) for fault in listed] == [("GetObject", 3)]
    for body in ("nonsense", '{"service": "oss"}', '{"service": "oss", "action": "*", "kind": "unheard-of"}'):
        assert requests.post(f"{cloud.endpoint}/_faults", data=body, timeout=10).status_code == 400
