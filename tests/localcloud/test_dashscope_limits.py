"""What language models, apps and tasks refuse, in the documented sentences; no model is started for it."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import dashscope
import httpx
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.errors import ServiceNotFound, ServiceRefused
from searchloom.settings import Bailian as BailianSettings
from tests.servers import LocalCloud

GENERATION = "/api/v1/services/aigc/text-generation/generation"
COMPLETIONS = "/compatible-mode/v1/chat/completions"
EMBEDDING = "/api/v1/services/embeddings/text-embedding/text-embedding"
HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture
def key(cloud: LocalCloud) -> str:
    return Keyring(cloud.access_key_id, cloud.access_key_secret).api_key


@pytest.fixture
def http(cloud: LocalCloud, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=cloud.endpoint, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"temperature": 2}, "Temperature should be in [0.0, 2.0)"),
        ({"temperature": "0.5"}, "'temperature' must be Float"),
        ({"top_p": 0}, "Range of top_p should be (0.0, 1.0]"),
        ({"top_k": -1}, "Parameter top_k be greater than or equal to 0"),
        ({"max_tokens": 0}, "Range of max_tokens should be [1, 8192]"),
        ({"max_tokens": True}, "Range of max_tokens should be [1, 8192]"),
        ({"repetition_penalty": 0}, "Repetition_penalty should be greater than 0.0"),
        ({"presence_penalty": 3}, "Presence_penalty should be in [-2.0, 2.0]"),
        ({"seed": -1}, "Range of seed should be [0, 9223372036854775807]"),
        ({"n": 5}, "Range of n should be [1, 4]"),
        ({"stop": [1]}, 'The "stop" parameter must be of type "str"'),
        ({"tools": [{"type": "function"}]}, "The tool call is not supported."),
        ({"enable_search": True}, "This model does not support enable_search."),
        ({"n": 2}, "n is 2, which the local cloud does not serve."),
        ({"response_format": {"type": "json_object"}}, "response_format is"),
    ],
)
def test_parameters_outside_the_limits_are_refused_in_both_dialects(
    http: httpx.Client, parameters: dict[str, Any], sentence: str
) -> None:
    body = {"model": "qwen-plus", "parameters": parameters, "input": {"messages": HELLO}}
    native = http.post(GENERATION, json=body)
    assert (native.status_code, native.json()["code"]) == (400, "InvalidParameter")
    assert native.json()["message"].startswith(sentence)
    compatible = http.post(COMPLETIONS, json={"model": "qwen-plus", "messages": HELLO, **parameters})
    assert (compatible.status_code, compatible.json()["error"]["code"]) == (400, "invalid_parameter_error")
    assert compatible.json()["error"]["message"].startswith(sentence)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({}, 'Either "prompt" or "messages" must exist and cannot both be none'),
        ({"messages": []}, "[] is too short - 'messages'"),
        ({"messages": ["hi"]}, "Input should be a valid dictionary or instance of GPT3Message"),
        ({"messages": [{"role": "user"}]}, "The content field is a required field."),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "input content must be a string."),
        ({"messages": [{"role": "tool", "content": "x"}]}, "Role must be user or assistant"),
        ({"messages": [{"role": "user", "content": " "}]}, "Role must be user or assistant"),
    ],
)
def test_what_is_no_conversation_is_refused(http: httpx.Client, asked: dict[str, Any], sentence: str) -> None:
    refused = http.post(GENERATION, json={"model": "qwen-plus", "input": asked})
    assert (refused.status_code, refused.json()["message"][: len(sentence)]) == (400, sentence)


def test_a_model_that_nobody_serves_is_not_found_by_either_client(cloud: LocalCloud, key: str) -> None:
    client = Bailian(BailianSettings(url=cloud.endpoint, api_key=SecretStr(key)))
    for dialect in ("native", "compatible"):
        with pytest.raises(ServiceNotFound, match="no-such-model"):
            client.chat(HELLO, model="no-such-model", dialect=dialect)
    with pytest.raises(ServiceRefused, match=r"\[0.0, 2.0\)"):
        client.chat(HELLO, temperature=2)
    client.close()


@pytest.mark.parametrize("kind", ["429", "hidden_429"])
def test_a_limit_hidden_in_a_good_status_is_tried_again_like_any(cloud: LocalCloud, key: str, kind: str) -> None:
    fault = {"service": "dashscope", "action": "Generation", "kind": kind, "count": 1}
    client = Bailian(BailianSettings(url=cloud.endpoint, api_key=SecretStr(key)))
    for dialect in ("native", "compatible"):
        httpx.post(f"{cloud.endpoint}/_faults", json=fault)
        with pytest.raises(ServiceRefused, match="Temperature"):
            client.chat(HELLO, temperature=2, dialect=dialect)
        assert httpx.get(f"{cloud.endpoint}/_faults").json()["faults"] == []
    client.close()


def test_a_hidden_limit_reaches_the_vendors_client_as_an_event(
    cloud: LocalCloud, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    fault = {"service": "dashscope", "action": "Generation", "kind": "hidden_429"}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault)
    answers = dashscope.Generation.call(
        "qwen-plus", messages=HELLO, stream=True, incremental_output=True, result_format="message", api_key=key
    )
    assert [each.code for each in answers] == ["Throttling.RateQuota"]


def test_an_unknown_app_is_not_found(cloud: LocalCloud, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
    answer = dashscope.Application.call(app_id="no-such-app", prompt="hi", api_key=key)
    assert (answer.status_code, answer.code) == (HTTPStatus.NOT_FOUND, "NotFound")


@pytest.mark.parametrize(
    ("model", "header", "asked", "status", "code"),
    [
        ("text-embedding-v4", "enable", {"texts": ["a"]}, 403, "AccessDenied"),
        ("text-embedding-async-v2", "disable", {"url": "http://127.0.0.1/x"}, 403, "AccessDenied"),
        ("text-embedding-async-v2", "enable", {"url": "file:///etc/passwd"}, 400, "InvalidURL"),
        ("text-embedding-async-v2", "enable", {"texts": ["a"]}, 400, "InvalidURL"),
    ],
)
def test_what_makes_no_task_says_why(
    http: httpx.Client, model: str, header: str, asked: dict[str, Any], status: int, code: str
) -> None:
    refused = http.post(EMBEDDING, json={"model": model, "input": asked}, headers={"X-DashScope-Async": header})
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_task_whose_file_cannot_be_read_fails_and_says_so(http: httpx.Client, cloud: LocalCloud) -> None:
    body = {"model": "text-embedding-async-v1", "input": {"url": f"{cloud.endpoint}/no-such-bucket/x.txt"}}
    made = http.post(EMBEDDING, json=body, headers={"X-DashScope-Async": "enable"}).json()["output"]
    assert made["task_status"] == "PENDING"
    path = f"/api/v1/tasks/{made['task_id']}"
    while (output := http.get(path).json()["output"])["task_status"] in {"PENDING", "RUNNING"}:
        pass
    assert (output["task_status"], output["code"]) == ("FAILED", "InvalidURL")
    assert http.post(f"{path}/cancel").json()["code"] == "UnsupportedOperation"
    listed = http.get("/api/v1/tasks", params={"status": "FAILED"}).json()
    assert made["task_id"] in [each["task_id"] for each in listed["data"]]
    assert http.get("/api/v1/tasks/nobody").json()["output"]["task_status"] == "UNKNOWN"
    assert http.get(f"{path}/result", params={"expires": "9999999999", "token": "x"}).status_code == 403
