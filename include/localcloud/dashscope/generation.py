"""Answers to conversations in both dialects: what was asked, within the documented limits, and how to say it.

Limits and their sentences: https://help.aliyun.com/en/model-studio/error-code. Longer answers than ``max_tokens`` end
with ``length``; a call that does not say how long gets at most ``DEFAULT_TOKENS``, fewer than the cloud's: the model
here runs on a processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.dashscope.catalogue import Catalogue
from localcloud.dashscope.errors import DashScopeError, invalid_parameter
from localcloud.dashscope.forms import CompatibleForm, NativeForm, Speech, message_body, text_body
from localcloud.dashscope.request import Request
from localcloud.dashscope.speaking import Question

DEFAULT_TOKENS = 512
# Lower than the cloud's: the words of a small model wander otherwise.
DEFAULT_TEMPERATURE = 0.1
MAX_TOKENS = 8192
_MAX_SEED = 2**63 - 1
_ROLES = ("system", "user", "assistant")


class Generation:
    """The two calls."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def native(self, request: Request) -> Speech:
        """``input.messages`` or ``input.prompt`` to ``output``."""
        refuse_async(request)
        content = request.json()
        asked, parameters = content.get("input"), content.get("parameters") or {}
        if not isinstance(asked, dict) or not isinstance(parameters, dict):
            raise invalid_parameter("input and parameters must be objects.")
        kind = parameters.get("result_format", "text")
        if kind not in {"text", "message"}:
            raise invalid_parameter(f"result_format is {kind!r}; it must be text or message.")
        served = self._catalogue.resolve(content.get("model"))
        question = question_of(_conversation(asked), parameters, adapter_of(served.adapter))
        body = message_body if kind == "message" else text_body
        form = NativeForm(body, incremental=parameters.get("incremental_output") is True)
        return Speech(question, form, wants_events(request))

    def compatible(self, request: Request) -> Speech:
        """OpenAI's chat completions."""
        content = request.json()
        served = self._catalogue.resolve(content.get("model"))
        parameters = {**content, "max_tokens": content.get("max_completion_tokens", content.get("max_tokens"))}
        question = question_of(_conversation(content), parameters, adapter_of(served.adapter))
        stream, options = content.get("stream", False), content.get("stream_options") or {}
        if not isinstance(stream, bool) or not isinstance(options, dict):
            raise invalid_parameter("stream must be true or false and stream_options an object.")
        form = CompatibleForm(served.name, counted=options.get("include_usage") is True)
        return Speech(question, form, stream)


def wants_events(request: Request) -> bool:
    """Whether a call in DashScope's own dialect is to be answered by events."""
    header = request.headers.get("x-dashscope-sse", "")
    return header.lower() == "enable" or "text/event-stream" in request.headers.get("accept", "")


def refuse_async(request: Request) -> None:
    """For calls that make no tasks."""
    if request.headers.get("x-dashscope-async", "").lower() == "enable":
        raise DashScopeError(403, "AccessDenied", "Current user api does not support asynchronous calls.")


def adapter_of(folder: object) -> str | None:
    """A folder as the models' process wants it."""
    return None if folder is None else str(folder)


def question_of(messages: list[dict[str, str]], parameters: Mapping[str, Any], adapter: str | None) -> Question:
    """What the model is asked; raises ``InvalidParameter`` in the cloud's sentences."""
    _refuse_unserved(parameters)
    return Question(
        messages=messages,
        adapter=adapter,
        max_tokens=_whole(
            parameters,
            "max_tokens",
            DEFAULT_TOKENS,
            (1, MAX_TOKENS),
            f"Range of max_tokens should be [1, {MAX_TOKENS}]",
        ),
        temperature=_real(
            parameters, "temperature", DEFAULT_TEMPERATURE, "Temperature should be in [0.0, 2.0)", at_least=0, below=2
        ),
        top_p=_real(parameters, "top_p", 0.8, "Range of top_p should be (0.0, 1.0]", above=0, at_most=1),
        top_k=_whole(parameters, "top_k", 20, (0, _MAX_SEED), "Parameter top_k be greater than or equal to 0"),
        repetition_penalty=_real(
            parameters, "repetition_penalty", 1.05, "Repetition_penalty should be greater than 0.0", above=0
        ),
        seed=_whole(parameters, "seed", 1234, (0, _MAX_SEED), f"Range of seed should be [0, {_MAX_SEED}]"),
        stop=_stops(parameters.get("stop")),
    )


def _refuse_unserved(parameters: Mapping[str, Any]) -> None:
    """What would change the answer and is not done here is refused, never ignored."""
    if parameters.get("tools"):
        raise invalid_parameter("The tool call is not supported.")
    if parameters.get("enable_search"):
        raise invalid_parameter("This model does not support enable_search.")
    if parameters.get("enable_thinking"):
        raise invalid_parameter("This model does not support enable_thinking.")
    count = _whole(parameters, "n", 1, (1, 4), "Range of n should be [1, 4]")
    form = parameters.get("response_format") or {"type": "text"}
    if not isinstance(form, dict):
        raise invalid_parameter("response_format should be a dict.")
    penalty = _real(
        parameters, "presence_penalty", 0, "Presence_penalty should be in [-2.0, 2.0]", at_least=-2, at_most=2
    )
    unserved = {
        "n": count > 1,
        "response_format": form.get("type") != "text",
        "presence_penalty": penalty != 0,
        "logprobs": bool(parameters.get("logprobs")),
    }
    for name in (name for name, asked in unserved.items() if asked):
        raise invalid_parameter(f"{name} is {parameters[name]!r}, which the local cloud does not serve.")


def _conversation(asked: Mapping[str, Any]) -> list[dict[str, str]]:
    messages, prompt = asked.get("messages"), asked.get("prompt")
    if messages is None and isinstance(prompt, str):
        messages = [{"role": "user", "content": prompt}]
    if messages is None:
        raise invalid_parameter('Either "prompt" or "messages" must exist and cannot both be none')
    return checked_messages(messages)


def checked_messages(messages: object) -> list[dict[str, str]]:
    """A conversation of roles and texts; raises ``InvalidParameter``."""
    if not isinstance(messages, list):
        raise invalid_parameter("messages must be a list.")
    if not messages:
        raise invalid_parameter("[] is too short - 'messages'")
    return [_checked_message(message) for message in messages]


def _checked_message(message: object) -> dict[str, str]:
    if not isinstance(message, dict):
        raise invalid_parameter("Input should be a valid dictionary or instance of GPT3Message")
    if "content" not in message:
        raise invalid_parameter("The content field is a required field.")
    role, content = message.get("role"), message["content"]
    if not isinstance(content, str):
        raise invalid_parameter("input content must be a string.")
    if role not in _ROLES or (role == "user" and not content.strip()):
        raise invalid_parameter("Role must be user or assistant and Content length must be greater than 0.")
    return {"role": role, "content": content}


def _stops(given: object) -> tuple[str, ...]:
    stops = [] if given is None else [given] if isinstance(given, str) else given
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise invalid_parameter('The "stop" parameter must be of type "str" or "list[str]".')
    return tuple(stops)


def _whole(parameters: Mapping[str, Any], name: str, default: int, limits: tuple[int, int], said: str) -> int:
    value = default if parameters.get(name) is None else parameters[name]
    if isinstance(value, bool) or not isinstance(value, int) or not limits[0] <= value <= limits[1]:
        raise invalid_parameter(said)
    return value


def _real(
    parameters: Mapping[str, Any],
    name: str,
    default: float,
    said: str,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    value = default if parameters.get(name) is None else parameters[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid_parameter(f"'{name}' must be Float")
    within = (
        (above is None or value > above)
        and (at_least is None or value >= at_least)
        and (below is None or value < below)
        and (at_most is None or value <= at_most)
    )
    if not within:
        raise invalid_parameter(said)
    return float(value)
