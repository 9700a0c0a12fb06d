"""Training data as DashScope takes it: a conversation a line, all of whose assistant messages are trained on.

Format: https://help.aliyun.com/en/model-studio/fine-tuning-api-guide
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ROLES = ("system", "user", "assistant")
Conversation = list[dict[str, str]]
"""Messages with ``role`` and ``content``."""


class DataError(Exception):
    """Data that cannot be trained on; the message names the file, the line and the reason."""


def read_conversations(path: Path, name: str) -> list[Conversation]:
    """The conversations of a file of JSON lines, which errors call ``name``; raises ``DataError``."""
    found = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    found.append(_conversation_of(line))
                except ValueError as error:
                    raise DataError(f"{name}, line {number}: {error}.") from None
    if not found:
        raise DataError(f"{name} holds no conversation.")
    return found


def _conversation_of(line: bytes) -> Conversation:
    try:
        content = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except ValueError as error:
        raise ValueError(f"it is not valid JSON ({error})") from None
    messages = content.get("messages") if isinstance(content, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError('it has no "messages" list')
    conversation = [_message_of(message, position) for position, message in enumerate(messages)]
    turns = [message["role"] for message in conversation if message["role"] != "system"]
    if turns != ["user", "assistant"] * (len(turns) // 2) or not turns:
        raise ValueError("after the system message, user and assistant must take turns and the assistant come last")
    return conversation


def _message_of(message: Any, position: int) -> dict[str, str]:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in _ROLES:
        raise ValueError(f"message {position + 1} has the role {role!r}, which is none of {', '.join(_ROLES)}")
    if role == "system" and position:
        raise ValueError(f"message {position + 1} is a system message, which may only be the first")
    text = message.get("content")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"message {position + 1} has no text as its content")
    return {"role": role, "content": text}
