"""``/api/v1/apps/{id}/completion``: a published app answers from what it looks up and what was said before."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from localcloud.dashscope.apps import App, Apps, Reference
from localcloud.dashscope.catalogue import Catalogue
from localcloud.dashscope.errors import invalid_parameter
from localcloud.dashscope.forms import NativeForm, Speech
from localcloud.dashscope.generation import adapter_of, checked_messages, question_of, refuse_async, wants_events
from localcloud.dashscope.request import Request
from localcloud.dashscope.speaking import Piece

# Characters of what was looked up that the model is shown: it takes in 8192 tokens.
_SHOWN_CHARACTERS = 12_000


class AppCalls:
    """The one call."""

    def __init__(self, apps: Apps, catalogue: Catalogue) -> None:
        self._apps = apps
        self._catalogue = catalogue

    def complete(self, request: Request) -> Speech:
        """``input.prompt`` (or ``input.messages``) to ``output.text``; ``input.session_id`` goes on a conversation."""
        refuse_async(request)
        app = self._apps.get(request.parameters["app"])
        content = request.json()
        asked, parameters = content.get("input"), content.get("parameters") or {}
        if not isinstance(asked, dict) or not isinstance(parameters, dict):
            raise invalid_parameter("input and parameters must be objects.")
        prompt, session_id = asked.get("prompt"), asked.get("session_id") or uuid.uuid4().hex
        if asked.get("messages") is None and (not isinstance(prompt, str) or not prompt.strip()):
            raise invalid_parameter('Either "prompt" or "messages" must exist and cannot both be none')
        if not isinstance(session_id, str):
            raise invalid_parameter("session_id must be a text.")
        messages = self._conversation(app, asked, session_id)
        said = messages[-1]["content"]
        found = self._apps.look_up(said, _index_ids(app, parameters), app.top_k)
        served = self._catalogue.resolve(app.model)
        question = question_of([*_instructions(app, found), *messages], parameters, adapter_of(served.adapter))
        form = NativeForm(
            partial(_body, session_id=session_id, model=app.model, found=found),
            incremental=parameters.get("incremental_output") is True,
        )
        remember = partial(self._apps.remember, app.app_id, session_id, said)
        return Speech(question, form, wants_events(request), remember)

    def _conversation(self, app: App, asked: Mapping[str, Any], session_id: str) -> list[dict[str, str]]:
        # Who sends the conversation keeps it: then it is not remembered too.
        if asked.get("messages") is not None:
            return checked_messages(asked["messages"])
        turns = [] if asked.get("session_id") is None else self._apps.turns(app.app_id, session_id)
        before = [
            {"role": role, "content": text}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        return [*before, {"role": "user", "content": str(asked["prompt"])}]


def _index_ids(app: App, parameters: Mapping[str, Any]) -> Sequence[str]:
    options = parameters.get("rag_options") or {}
    named = options.get("pipeline_ids") if isinstance(options, dict) else None
    if named is None:
        return app.index_ids
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise invalid_parameter("rag_options.pipeline_ids must be a list of ids.")
    return named


def _instructions(app: App, found: Sequence[Reference]) -> list[dict[str, str]]:
    parts = [app.instructions] if app.instructions else []
    if found:
        shown = "\n\n".join(f"[{number}] {each.title}\n{each.text}" for number, each in enumerate(found, start=1))
        parts.append(f"Answer from these documents:\n\n{shown[:_SHOWN_CHARACTERS]}")
    return [{"role": "system", "content": "\n\n".join(parts)}] if parts else []


def _body(text: str, piece: Piece, *, session_id: str, model: str, found: Sequence[Reference]) -> dict[str, Any]:
    output: dict[str, Any] = {"text": text, "finish_reason": piece.finish or "null", "session_id": session_id}
    if found:
        output["doc_references"] = [asdict(each) | {"index_id": str(n)} for n, each in enumerate(found, start=1)]
    used = {"model_id": model, "input_tokens": piece.read_tokens, "output_tokens": piece.written_tokens}
    return {"output": output, "usage": {"models": [used]}}
