"""Published apps: instructions, what they look up, and a memory of their conversations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

import dashscope
import pytest

from localcloud.credentials import Keyring
from localcloud.dashscope.app_calls import AppCalls
from localcloud.dashscope.apps import App, Apps, Reference
from localcloud.dashscope.catalogue import Catalogue
from localcloud.dashscope.errors import DashScopeError
from localcloud.dashscope.forms import Speech
from localcloud.dashscope.request import Request
from localcloud.dashscope.speaking import Piece
from tests.servers import local_cloud

FOUND = Reference("1", "d", "a.pdf", "Zones", "Zone 7 is closed.")


@pytest.fixture
def apps(tmp_path: Path) -> Apps:
    apps = Apps(tmp_path)
    apps.publish(App("app-1", "helper", instructions="Be brief.", index_ids=("idx1",), top_k=2))
    return apps


def asked(apps: Apps, asked: dict[str, Any], **parameters: Any) -> Speech:
    content = json.dumps({"input": asked, "parameters": parameters}).encode()
    return AppCalls(apps, Catalogue()).complete(Request({}, {}, BytesIO(content), {"app": "app-1"}))


def test_an_app_answers_from_what_it_looks_up(apps: Apps) -> None:
    seen: list[tuple[str, Sequence[str], int]] = []

    def retrieve(query: str, index_ids: Sequence[str], top_k: int) -> list[Reference]:
        seen.append((query, tuple(index_ids), top_k))
        return [FOUND]

    apps.look_up_with(retrieve)
    speech = asked(apps, {"prompt": "Is zone 7 open?"}, rag_options={"pipeline_ids": ["idx2"]})
    assert seen == [("Is zone 7 open?", ("idx2",), 2)]
    system, said = speech.question.messages
    assert (said["role"], said["content"]) == ("user", "Is zone 7 open?")
    assert system["content"].startswith("Be brief.")
    assert "Zone 7 is closed." in system["content"]
    output = speech.form.whole("No.", Piece("No.", "stop", 5, 2))["output"]
    assert (output["text"], output["finish_reason"]) == ("No.", "stop")
    assert output["doc_references"] == [
        {"index_id": "1", "title": "Zones", "doc_id": "d", "doc_name": "a.pdf", "text": "Zone 7 is closed."}
    ]


def test_a_conversation_is_remembered_with_its_app_over_a_restart(apps: Apps, tmp_path: Path) -> None:
    apps.look_up_with(lambda *_: [])
    speech = asked(apps, {"prompt": "I am Ann."})
    session_id = speech.form.whole("Hello Ann.", Piece("", "stop", 1, 1))["output"]["session_id"]
    assert speech.remember is not None
    speech.remember("Hello Ann.")
    again = Apps(tmp_path)
    again.look_up_with(lambda *_: [])
    messages = asked(again, {"prompt": "Who am I?", "session_id": session_id}).question.messages
    assert [each["content"] for each in messages] == ["Be brief.", "I am Ann.", "Hello Ann.", "Who am I?"]
    other = asked(again, {"prompt": "Who am I?", "session_id": "another"}).question.messages
    assert [each["content"] for each in other] == ["Be brief.", "Who am I?"]


@pytest.mark.parametrize("content", [{}, {"prompt": " "}, {"prompt": 1}, {"messages": []}])
def test_an_app_that_is_asked_nothing_says_so(apps: Apps, content: dict[str, Any]) -> None:
    with pytest.raises(DashScopeError) as caught:
        asked(apps, content)
    assert caught.value.code == "InvalidParameter"


@pytest.mark.slow
def test_the_vendors_client_talks_to_an_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Apps(tmp_path / "dashscope").publish(App("app-1", instructions="You are a helpful assistant."))
    with local_cloud(tmp_path) as cloud:
        monkeypatch.setattr(dashscope, "base_http_api_url", f"{cloud.endpoint}/api/v1")
        key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
        call: dict[str, Any] = {"app_id": "app-1", "prompt": "Say hello.", "api_key": key, "max_tokens": 4}
        whole = dashscope.Application.call(**call)
        assert whole.status_code == HTTPStatus.OK
        assert whole.usage.models[0].output_tokens <= 4
        pieces = list(dashscope.Application.call(**call, stream=True, incremental_output=True))
        assert "".join(each.output.text for each in pieces) == whole.output.text
        more = dashscope.Application.call(**call, session_id=whole.output.session_id)
        assert more.usage.models[0].input_tokens > whole.usage.models[0].input_tokens
