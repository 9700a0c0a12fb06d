from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from searchloom.cloud.bailian_online import BailianOnline
from searchloom.errors import ServiceRefused, ServiceUnavailable
from searchloom.settings import Bailian as BailianSettings
from tests.cloud.golden import Wire, check
from tests.cloud.recording import Answer, Recorder

GENERATION = "/api/v1/services/aigc/text-generation/generation"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def online(bailian_settings: BailianSettings) -> AsyncIterator[BailianOnline]:
    client = BailianOnline(bailian_settings)
    yield client
    await client.aclose()


def stream(*blocks: str, cut: bool = False) -> Answer:
    headers = {"Content-Type": "text/event-stream;charset=UTF-8"}
    return Answer(body="".join(f"{block}\n\n" for block in blocks).encode(), headers=headers, cut=cut)


def native(text: str, reason: str = "null", written: int = 1) -> str:
    choice = {"finish_reason": reason, "message": {"role": "assistant", "content": text}}
    event = {"output": {"choices": [choice]}, "usage": {"input_tokens": 4, "output_tokens": written}, "request_id": "r"}
    return f"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(event)}"


def compatible(text: str | None, reason: str | None = None) -> str:
    event: dict[str, Any] = {"choices": [{"delta": {"content": text}, "finish_reason": reason}], "usage": None}
    return f"data: {json.dumps(event)}"


async def test_an_answer_comes_in_pieces(online: BailianOnline, server: Recorder) -> None:
    server.will(stream(native("hel"), native("lo ü\n", written=2), native("", "stop", written=3)))
    pieces = [delta async for delta in online.chat_stream(MESSAGES, model="qwen-turbo")]
    assert "".join(piece.text for piece in pieces) == "hello ü\n"
    assert [piece.finish_reason for piece in pieces] == ["", "", "stop"]
    assert (pieces[-1].input_tokens, pieces[-1].output_tokens) == (4, 3)
    parameters = {"result_format": "message", "incremental_output": True}
    body = {"model": "qwen-turbo", "parameters": parameters, "input": {"messages": MESSAGES}}
    check(server.only, Wire("POST", GENERATION, body=body, capture="dashscope.Generation_stream"))
    assert server.only.headers["x-dashscope-sse"] == "enable"
    assert server.only.headers["accept"] == "text/event-stream"


async def test_an_answer_in_the_compatible_dialect(online: BailianOnline, server: Recorder) -> None:
    usage = 'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}'
    server.will(stream(compatible("hel"), compatible("lo"), compatible(None, "stop"), usage, "data: [DONE]"))
    pieces = [delta async for delta in online.chat_stream(MESSAGES, dialect="compatible", temperature=0)]
    assert "".join(piece.text for piece in pieces) == "hello"
    assert (pieces[-1].input_tokens, pieces[-1].output_tokens) == (4, 2)
    options = {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0}
    body = {"model": "qwen-plus", "messages": MESSAGES, **options}
    check(server.only, Wire("POST", "/compatible-mode/v1/chat/completions", body=body))


@pytest.mark.parametrize(
    "answer",
    [stream(native("hel"), native("lo"), cut=True), stream(native("hel")), stream(native("hel"), "data:{nothing")],
    ids=["cut", "ended early", "no JSON"],
)
async def test_half_an_answer_is_never_taken_for_a_whole_one(
    online: BailianOnline, server: Recorder, answer: Answer
) -> None:
    server.will(answer)
    pieces: list[str] = []
    with pytest.raises(ServiceUnavailable):
        await _collect(online, pieces)
    assert pieces[0] == "hel"
    assert len(server.requests) == 1


async def test_an_error_inside_a_stream(online: BailianOnline, server: Recorder) -> None:
    error = json.dumps({"code": "Throttling.RateQuota", "message": "too fast", "request_id": "r-7"})
    server.will(stream(native("hel"), f"id:2\nevent:error\n:HTTP_STATUS/429\ndata:{error}"))
    pieces: list[str] = []
    with pytest.raises(ServiceUnavailable, match="too fast") as caught:
        await _collect(online, pieces)
    assert (caught.value.code, caught.value.request_id, caught.value.throttled) == ("Throttling.RateQuota", "r-7", True)


async def test_a_stream_is_asked_for_again_only_while_nothing_has_come(online: BailianOnline, server: Recorder) -> None:
    busy = Answer(429, {"code": "Throttling.RateQuota", "message": "too fast", "request_id": "r"})
    inside = Answer(200, {"code": "Throttling.RateQuota", "message": "too fast", "request_id": "r"})
    server.will(busy, inside, stream(native("hello", "stop")))
    pieces: list[str] = []
    await _collect(online, pieces)
    assert pieces == ["hello"]
    assert len(server.requests) == 3
    server.will(Answer(400, {"code": "DataInspectionFailed", "message": "unwanted", "request_id": "r"}))
    with pytest.raises(ServiceRefused, match="unwanted"):
        await _collect(online, pieces)


async def test_vectors_ranks_and_whole_answers(online: BailianOnline, server: Recorder) -> None:
    server.will(Answer(body={"output": {"embeddings": [{"text_index": 0, "embedding": [0.5]}]}}))
    assert await online.embed(["q"]) == [[0.5]]
    assert server.only.body["parameters"]["text_type"] == "query"
    server.will(Answer(body={"output": {"results": [{"index": 1, "relevance_score": 0.9}]}}))
    assert [item.index for item in await online.rerank("q", ["a", "b"], top_n=5)] == [1]
    assert server.only.body["parameters"] == {"top_n": 2}
    server.will(Answer(body={"output": {"choices": [{"finish_reason": "stop", "message": {"content": "yes"}}]}}))
    assert (await online.chat(MESSAGES)).text == "yes"
    server.will(Answer(503, {"code": "ServiceUnavailable", "message": "x", "request_id": "r"}))
    with pytest.raises(ServiceUnavailable):
        await online.embed(["q"])
    assert len(server.requests) == 5


async def _collect(online: BailianOnline, pieces: list[str]) -> None:
    async for delta in online.chat_stream(MESSAGES):
        pieces.append(delta.text)  # noqa: PERF401  what came before an error counts
