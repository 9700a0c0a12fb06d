"""What happens elsewhere, told as server-sent events until it ends or the client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.dashscope.delivery import send_stream_start
from localcloud.faults import Receive, Send

_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Events:
    """``look``: how many events were told already to the events after them, and whether these are the last."""

    look: Callable[[int], tuple[list[dict[str, Any]], bool]]

    async def tell(self, receive: Receive, send: Send, request_id: str) -> None:
        """Send each event as it comes."""
        await send_stream_start(send, request_id)
        leaving = asyncio.ensure_future(_left(receive))
        told, ended = 0, False
        try:
            while not ended and not leaving.done():
                fresh, ended = await asyncio.to_thread(self.look, told)
                for event in fresh:
                    data = json.dumps({"request_id": request_id, **event}, ensure_ascii=False)
                    body = f"id:{told}\nevent:result\n:HTTP_STATUS/200\ndata:{data}\n\n".encode()
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                    told += 1
                if not ended:
                    await asyncio.wait({leaving}, timeout=_LOOK_S)
        finally:
            leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
