"""The channel from a message to an answer, on real engines, with a model that lies, hangs and dies on demand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from openai import OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from searchloom.query.chat.answering import NOT_KNOWN
from searchloom.settings import Limits, Settings
from tests.query.chat.scripted_model import ScriptedModel
from tests.query.collection import CORPUS, DOCUMENTS
from tests.query.conftest import running

QUESTION = "How do I merge two tables with a join on a key column?"
Ask = Callable[..., dict[str, Any]]


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block for block in re.split(r"\r?\n\r?\n", text) if block.startswith("event:")]
    found = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], json.loads(fields["data"])))
    return found


def asked(client: TestClient | httpx.Client, message: str = QUESTION, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", None)
    body = {"message": message, "corpus": CORPUS, "stream": False, **fields}
    response = client.post("/v1/chat", json=body, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_streamed_answer_is_passages_then_pieces_then_the_checked_whole(
    chat_client: TestClient, model: ScriptedModel
) -> None:
    said = "You merge two tables with a database-style join on a key column [1]. See [9] and https://evil.com/x."
    model.says = lambda _: [said[at : at + 3] for at in range(0, len(said), 3)]
    response = chat_client.post("/v1/chat", json={"message": QUESTION, "corpus": CORPUS})
    assert response.headers["content-type"].startswith("text/event-stream")
    (first, passages), *between, (last, done) = events_of(response.text)
    assert (first, last) == ("passages", "done")
    assert {name for name, _ in between} == {"delta"}
    assert "".join(piece["text"] for _, piece in between) == done["answer"]
    assert passages["passages"][0]["title"] == "DataFrame.merge"
    assert passages["passages"][0]["text"].startswith("Merge two tables")
    assert [one["number"] for one in passages["passages"]] == list(range(1, len(passages["passages"]) + 1))
    assert "evil.com" not in response.text
    assert "[9]" not in done["answer"]
    assert done["known"]
    (citation,) = done["citations"]
    assert (citation["number"], citation["supported"], citation["added"]) == (1, True, False)
    assert done["answer"][citation["start"] : citation["end"]] == "[1]"
    assert done["usage"] == {"prompt_tokens": 100, "completion_tokens": 20}
    assert done["degraded"] == []


def test_the_openai_client_reads_the_chunks(chat_client: TestClient, model: ScriptedModel) -> None:
    model.says = lambda _: ["Merge two tables with ", "a join on a key column [1]."]
    judge = OpenAI(base_url="http://testserver/v1", api_key="x", http_client=chat_client)
    token = {"Authorization": chat_client.headers["Authorization"]}
    body: dict[str, Any] = {"message": QUESTION, "corpus": CORPUS, "format": "openai"}
    chunks = list(
        judge.post(
            "/chat",
            body=body,
            cast_to=ChatCompletion,
            stream=True,
            stream_cls=Stream[ChatCompletionChunk],
            options={"headers": token},
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == (
        "Merge two tables with a join on a key column [1]."
    )
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 120
    assert (chunks[0].model_extra or {})["searchloom"]["passages"]
    assert (chunks[-1].model_extra or {})["searchloom"]["known"] is True
    whole = judge.post("/chat", body=body | {"stream": False}, cast_to=ChatCompletion, options={"headers": token})
    assert whole.choices[0].message.content == "Merge two tables with a join on a key column [1]."


def test_what_the_passages_do_not_speak_of_is_not_asked_of_the_model(
    chat_client: TestClient, model: ScriptedModel
) -> None:
    answer = asked(chat_client, "Which volcano erupted near Reykjavik yesterday evening?")
    assert answer["known"] is False
    assert answer["answer"] == NOT_KNOWN[False]
    assert model.asked == []


@pytest.mark.parametrize("said", ["NOT_IN_PASSAGES", "The passages do not say anything about this."])
def test_a_model_that_finds_no_answer_says_so_in_one_form(
    chat_client: TestClient, model: ScriptedModel, said: str
) -> None:
    model.says = lambda _: [said]
    answer = asked(chat_client)
    assert (answer["known"], answer["answer"]) == (False, NOT_KNOWN[False])
    assert asked(chat_client, "使用键列合并两个表格的方法是什么？")["answer"] == NOT_KNOWN[True]  # noqa: RUF001


def test_a_claim_without_support_is_marked(chat_client: TestClient, model: ScriptedModel) -> None:
    model.says = lambda _: ["Merge two tables with a join on a key column [1]. Napoleon died on Saint Helena [1]."]
    answer = asked(chat_client)
    (span,) = answer["unsupported"]
    assert answer["answer"][span["start"] : span["end"]] == "Napoleon died on Saint Helena [1]."
    assert [one["supported"] for one in answer["citations"]] == [True, False]


def test_the_prompt_quotes_passages_between_marks_that_nobody_can_guess(
    chat_client: TestClient, model: ScriptedModel
) -> None:
    asked(chat_client)
    asked(chat_client)
    marks = []
    for system, user in model.asked:
        (mark,) = set(re.findall(r"§[0-9a-f]{12}§", user["content"]))
        assert mark in system["content"]
        assert user["content"].index(mark) < user["content"].index("Merge two tables") < user["content"].rindex(mark)
        assert user["content"].rindex(mark) < user["content"].index(QUESTION)
        marks.append(mark)
    assert len(set(marks)) == 2


def test_a_follow_up_is_rewritten_from_the_conversation(chat_client: TestClient, model: ScriptedModel) -> None:
    model.says = lambda messages: (
        ["How do I merge two tables on several columns?"]
        if "Rewrite" in messages[0]["content"]
        else ["Merge two tables with a join on a key column [1]."]
    )
    first = asked(chat_client)
    second = asked(chat_client, "And on several columns?", conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    assert second["question"] == "How do I merge two tables on several columns?"
    assert second["usage"]["prompt_tokens"] == 200


def test_a_rewriting_that_invents_things_is_not_taken(chat_client: TestClient, model: ScriptedModel) -> None:
    model.says = lambda messages: (
        ["What is the salary of the director of finance?"]
        if "Rewrite" in messages[0]["content"]
        else ["Merge two tables with a join [1]."]
    )
    first = asked(chat_client)
    second = asked(chat_client, "And on several columns?", conversation_id=first["conversation_id"])
    assert second["question"] == f"{QUESTION} And on several columns?"


def test_a_conversation_is_nobody_elses(
    chat_client: TestClient, model: ScriptedModel, bearer: Callable[..., dict[str, str]]
) -> None:
    model.says = lambda _: ["The plan of the finance team is a secret salary table [1]."]
    own = bearer("default", "finance")
    first = asked(chat_client, "What is the secret salary table of the finance team?", headers=own)
    for others in (bearer("acme", "finance"), bearer("default"), bearer("default", "finance", "hr")):
        model.asked.clear()
        second = asked(chat_client, "And it?", conversation_id=first["conversation_id"], headers=others)
        assert second["conversation_id"] != first["conversation_id"]
        assert "memory" in second["degraded"]
        assert second["question"] == "And it?"
        assert "salary" not in json.dumps(list(model.asked)).lower() or others == bearer("default", "finance", "hr")


def test_without_the_model_the_passages_are_quoted(chatting: Settings, model: ScriptedModel) -> None:
    chat = chatting.chat.model_copy(update={"first_word_ms": 500, "deadline_ms": 3000})
    with running(chatting.model_copy(update={"chat": chat})) as client:
        model.pause_s = 3.0
        answer = asked(client)
    assert answer["degraded"] == ["llm"]
    assert answer["answer"].startswith("DataFrame.merge: Merge two tables with a database-style join on a key column")
    assert answer["citations"][0]["supported"]
    assert answer["known"]


def test_a_model_that_dies_half_way_leaves_what_it_has_said(chat_client: TestClient, model: ScriptedModel) -> None:
    model.says = lambda _: ["Merge two tables with a join on a key column [1]. ", "The rest ", "never ", "comes."]
    model.breaks_after = 2
    answer = asked(chat_client)
    assert answer["answer"].startswith("Merge two tables with a join on a key column [1].")
    assert "llm" in answer["degraded"]


def test_tokens_used_up_are_refused_until_the_hour_is_over(chatting: Settings, model: ScriptedModel) -> None:
    limits = Limits(user_tokens_per_hour=150, user_model_s_per_hour=0, user_per_minute=0, tenant_per_minute=0)
    with running(chatting.model_copy(update={"limits": limits})) as client:
        model.says = lambda _: ["Merge two tables [1]."]
        asked(client)  # 120 tokens
        asked(client)
        refused = client.post("/v1/chat", json={"message": QUESTION, "corpus": CORPUS})
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 3600


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"message": " "}, {"message": "x" * 2001}, {"message": "x", "format": "xml"}),
        *({"message": "x", "conversation_id": "../x"}, {"message": "x", "tenant": "acme"}),
    ],
)
def test_a_wrong_request_is_answered_with_one_sentence(chat_client: TestClient, body: dict[str, Any]) -> None:
    refused = chat_client.post("/v1/chat", json=body)
    assert refused.status_code == 422
    assert set(refused.json()["error"]) == {"code", "message", "request_id"}


def test_every_document_of_the_collection_can_be_asked_for(chat_client: TestClient, model: ScriptedModel) -> None:
    model.says = lambda _: ["NOT_IN_PASSAGES"]
    answer = asked(chat_client, "columns of the parquet table")
    assert {passage["doc_id"] for passage in answer["passages"]} <= {document.id for document in DOCUMENTS}
