"""A conversation that goes on in another process of the host, and answers that do without their memory."""

from __future__ import annotations

from pathlib import Path

import httpx

from searchloom.query.chat.conversations import FILE
from searchloom.settings import Settings
from tests.query.chat.process import service
from tests.query.chat.scripted_model import ScriptedModel
from tests.query.chat.test_chat import QUESTION, asked
from tests.query.conftest import running


def test_a_conversation_goes_on_in_another_process_and_after_a_restart(
    chatting: Settings, model: ScriptedModel, tmp_path: Path
) -> None:
    model.says = lambda _: ["Merge two tables with a join on a key column [1]."]
    settings = chatting.model_copy(update={"chat": chatting.chat.model_copy(update={"rewrite_ms": 0})})
    with running(settings) as here:
        named = asked(here)["conversation_id"]
        with service(settings, tmp_path / "log", CHAT__REWRITE_MS="0") as (url, _):
            headers = {"Authorization": here.headers["Authorization"]}
            with httpx.Client(base_url=url, headers=headers, timeout=60) as other:
                there = asked(other, "And on several columns?", conversation_id=named)
    assert there["conversation_id"] == named
    assert there["question"] == f"{QUESTION} And on several columns?"
    with running(settings) as later:
        again = asked(later, "And on their index?", conversation_id=named)
    assert again["conversation_id"] == named
    assert again["degraded"] == []


def test_where_conversations_cannot_be_kept_the_answer_comes_all_the_same(
    chatting: Settings, model: ScriptedModel, tmp_path: Path
) -> None:
    model.says = lambda _: ["Merge two tables with a join on a key column [1]."]
    (tmp_path / FILE).write_text("no database, " * 1000, encoding="utf-8")
    with running(chatting.model_copy(update={"state": tmp_path})) as client:
        answer = asked(client)
        assert answer["known"]
        assert answer["degraded"] == ["memory"]
        assert asked(client, conversation_id=answer["conversation_id"])["degraded"] == ["memory"]
