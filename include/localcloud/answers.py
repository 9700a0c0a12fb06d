"""JSON answers with headers of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.faults import Send


async def send_answer(
    send: Send, status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> None:
    """Answer with a JSON object; fields that are None are left out, as the services do."""
    body = json.dumps(
        {name: value for name, value in content.items() if value is not None}, ensure_ascii=False
    ).encode()
    fields = {"content-type": "application/json;charset=utf-8", "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})
