"""The language model's answers, through the vendor's client and both of ours."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any

import dashscope
import httpx
import psutil
import pytest
from pydantic import SecretStr

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_calls import Delta
from searchloom.cloud.bailian_online import BailianOnline
from searchloom.errors import ServiceRefused, ServiceUnavailable
from searchloom.settings import Bailian as BailianSettings
from tests.servers import LocalCloud

pytestmark = pytest.mark.slow
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
STORY = [{"role": "user", "content": "Write a long story about the sea."}]
COMPLETIONS = "/compatible-mode/v1/chat/completions"


@pytest.fixture
def settings(cloud: LocalCloud) -> BailianSettings:
    key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
    return BailianSettings(url=cloud.endpoint, api_key=SecretStr(key), read_timeout_s=180)


@pytest.fixture
def ours(settings: BailianSettings) -> Iterator[Bailian]:
    client = Bailian(settings)
    yield client
    client.close()


@pytest.fixture
def http(settings: BailianSettings) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    with httpx.Client(base_url=settings.url, headers=headers, timeout=180) as client:
        yield client


@pytest.fixture
def theirs(settings: BailianSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's package, pointed at the local cloud."""
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{settings.url}/api/v1")
    monkeypatch.setattr(dashscope, "api_key", settings.api_key.get_secret_value())


def speaker(cloud: LocalCloud) -> psutil.Process:
    """The process that holds the language model."""
    children = psutil.Process(cloud.pid).children()
    (found,) = (each for each in children if "localcloud.dashscope.language_model" in each.cmdline())
    return found


def order(cloud: LocalCloud, kind: str, **more: Any) -> None:
    """Let the next answer misbehave."""
    httpx.post(f"{cloud.endpoint}/_faults", json={"service": "dashscope", "action": "Generation", "kind": kind, **more})


async def collect(stream: AsyncIterator[Delta], said: list[str]) -> None:
    """Add what a stream says, up to where it fails."""
    async for delta in stream:
        said.append(delta.text)  # noqa: PERF401  what came before an error counts


def test_our_client_gets_an_answer_in_both_dialects(ours: Bailian) -> None:
    for dialect in ("native", "compatible"):
        answer = ours.chat(CAPITAL, temperature=0, max_tokens=30, dialect=dialect)
        assert "Paris" in answer.text
        assert answer.finish_reason == "stop"
        assert answer.input_tokens > answer.output_tokens > 3
        short = ours.chat(CAPITAL, temperature=0, max_tokens=3, dialect=dialect)
        assert (short.finish_reason, short.output_tokens) == ("length", 3)
        assert answer.text.startswith(short.text)


async def test_our_stream_adds_up_to_the_whole_answer(settings: BailianSettings) -> None:
    online = BailianOnline(settings)
    whole = await online.chat(CAPITAL, temperature=0, max_tokens=30)
    for dialect in ("native", "compatible"):
        deltas = [each async for each in online.chat_stream(CAPITAL, temperature=0, max_tokens=30, dialect=dialect)]
        assert "".join(each.text for each in deltas) == whole.text
        assert len(deltas) > 4
        assert (deltas[-1].input_tokens, deltas[-1].output_tokens) == (whole.input_tokens, whole.output_tokens)
    await online.aclose()


@pytest.mark.usefixtures("theirs")
def test_the_vendors_client_gets_whole_answers_and_streams_of_both_kinds() -> None:
    asked: dict[str, Any] = {"model": "qwen-turbo", "messages": CAPITAL, "temperature": 0.0, "max_tokens": 20}
    whole = dashscope.Generation.call(**asked, result_format="message")
    assert whole.status_code == HTTPStatus.OK
    text = whole.output.choices[0].message.content
    assert whole.usage["total_tokens"] == whole.usage["input_tokens"] + whole.usage["output_tokens"]
    assert dashscope.Generation.call(**asked).output.text == text
    pieces = list(dashscope.Generation.call(**asked, result_format="message", stream=True, incremental_output=True))
    assert "".join(each.output.choices[0].message.content for each in pieces) == text
    assert [each.output.choices[0].finish_reason for each in pieces][-2:] == ["null", "stop"]
    growing = list(dashscope.Generation.call(**asked, result_format="text", stream=True))
    assert growing[-1].output.text == text
    assert all(text.startswith(each.output.text) for each in growing)


def test_a_compatible_stream_has_the_events_of_openais(http: httpx.Client) -> None:
    body = {"model": "qwen-plus", "messages": CAPITAL, "max_tokens": 4, "stream": True}
    lines = http.post(COMPLETIONS, json={**body, "stream_options": {"include_usage": True}}).text.splitlines()
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]"
    chunks = [json.loads(each) for each in data[:-1]]
    assert {(each["object"], each["id"]) for each in chunks} == {("chat.completion.chunk", chunks[0]["id"])}
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"]) == ([], 4)
    without = http.post(COMPLETIONS, json=body).text
    assert '"completion_tokens"' not in without


def test_seed_and_stop_words_are_honoured(http: httpx.Client) -> None:
    def said(**chosen: Any) -> str:
        body = {"model": "qwen-plus", "messages": STORY, "max_tokens": 12, "temperature": 1.5, **chosen}
        text: str = http.post(COMPLETIONS, json=body).json()["choices"][0]["message"]["content"]
        return text

    first = said(seed=7)
    assert said(seed=7) == first
    assert said(seed=8) != first
    word = first.split()[2]
    assert said(seed=7, stop=word) == first[: first.index(word)]


def test_a_conversation_that_is_too_long_is_refused(ours: Bailian) -> None:
    with pytest.raises(ServiceRefused, match="Range of input length should be"):
        ours.chat([{"role": "user", "content": "word " * 9000}])


async def test_who_leaves_frees_the_model_within_a_second(cloud: LocalCloud, settings: BailianSettings) -> None:
    online = BailianOnline(settings)
    stream = online.chat_stream(STORY, max_tokens=8000, temperature=1.0)
    assert await anext(aiter(stream)) is not None
    holder = speaker(cloud)
    await stream.aclose()
    await asyncio.sleep(1)
    before = holder.cpu_times()
    await asyncio.sleep(1)
    after = holder.cpu_times()
    assert after.user - before.user < 0.3
    await online.aclose()


async def test_short_questions_do_not_wait_for_long_answers(settings: BailianSettings) -> None:
    online = BailianOnline(settings)
    stream = online.chat_stream(STORY, max_tokens=400, temperature=1.0)
    await anext(aiter(stream))
    vectors, answer = await asyncio.gather(online.embed(["a"]), online.chat(CAPITAL, temperature=0, max_tokens=3))
    assert (len(vectors), answer.output_tokens) == (1, 3)
    # The long one goes on meanwhile and after.
    assert (await anext(aiter(stream))).finish_reason == ""
    await stream.aclose()
    await online.aclose()


async def test_a_model_that_dies_ends_the_stream_with_an_error_and_comes_back(
    cloud: LocalCloud, settings: BailianSettings
) -> None:
    online = BailianOnline(settings)
    stream = online.chat_stream(STORY, max_tokens=400)
    await anext(aiter(stream))
    speaker(cloud).kill()
    with pytest.raises(ServiceUnavailable, match="process ended"):
        await collect(stream, [])
    assert (await online.chat(CAPITAL, max_tokens=2)).output_tokens == 2
    await online.aclose()


async def test_a_stream_that_is_cut_is_no_answer(cloud: LocalCloud, settings: BailianSettings) -> None:
    online = BailianOnline(settings)
    for dialect in ("native", "compatible"):
        order(cloud, "cut")
        said: list[str] = []
        with pytest.raises(ServiceUnavailable):
            await collect(online.chat_stream(CAPITAL, max_tokens=20, temperature=0, dialect=dialect), said)
        assert len("".join(said)) < 20
    await online.aclose()


def test_a_slow_answer_is_waited_for(cloud: LocalCloud, ours: Bailian) -> None:
    order(cloud, "slow", delay_s=1)
    started = time.monotonic()
    ours.chat(CAPITAL, max_tokens=2)
    assert time.monotonic() - started >= 1
