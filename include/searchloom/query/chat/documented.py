"""What the OpenAPI document says of an answer: one JSON document of either form, or a stream of events."""

from __future__ import annotations

from typing import Any

from searchloom.query.chat.schemas import ChatAnswer, ChatCompletion, Event
from searchloom.query.chat.stream import NAMES


def answers() -> dict[str, Any]:
    """The description of status 200, as a route's ``responses`` take it."""
    return {
        "model": ChatAnswer | ChatCompletion,
        "description": "The answer: events as it is written (stream), or one document; each in our form or in OpenAI's",
        "content": {"text/event-stream": {"itemSchema": {"anyOf": [*map(_event, NAMES), _OPENAI_CHUNK]}}},
    }


_OPENAI_CHUNK: dict[str, Any] = {
    "description": "with format openai: a chat.completion.chunk as JSON; the last one is [DONE]",
    "type": "object",
    "properties": {"event": {"const": "message"}, "data": {"type": "string"}},
    "required": ["data"],
}


def _event(model: type[Event]) -> dict[str, Any]:
    """One kind of event, as FastAPI itself describes events: an object of the fields that its lines have."""
    schema = model.model_json_schema(mode="serialization")
    content = _whole(schema, schema.get("$defs", {}))
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": content}
    return {
        "type": "object",
        "properties": {"event": {"const": NAMES[model]}, "data": data},
        "required": ["event", "data"],
    }


def _whole(schema: Any, parts: dict[str, Any]) -> Any:
    """A schema with its parts in their places: the document keeps none that stand for no body."""
    if isinstance(schema, list):
        return [_whole(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _whole(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {name: _whole(one, parts) for name, one in schema.items() if name != "$defs"}
