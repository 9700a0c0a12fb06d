"""A request as OSS sees it: bucket, key, query and headers, taken from the wire without losing a byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

from localcloud.oss.errors import OssError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_VIRTUAL_HOST = re.compile(r"([a-z0-9][a-z0-9-]{1,61}[a-z0-9])\.localhost(:\d+)?")
_MAX_DOCUMENT = 4 * 1024 * 1024


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete."""


@dataclass(slots=True)
class OssRequest:
    """One request; header names are lower case, header values are Latin-1 views of the bytes that came."""

    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    receive: Receive = field(repr=False)
    body_ended: bool = False

    @classmethod
    def from_scope(cls, scope: Scope, receive: Receive) -> OssRequest:
        """Split the path (path style) or the host (``bucket.localhost``) into bucket and key."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        raw_path: bytes = scope["raw_path"].partition(b"?")[0]
        virtual = _VIRTUAL_HOST.fullmatch(headers.get("host", ""))
        if virtual:
            bucket, raw_key = virtual[1].encode(), raw_path.removeprefix(b"/")
        else:
            bucket, _, raw_key = raw_path.removeprefix(b"/").partition(b"/")
        pairs = [pair.partition("=") for pair in scope["query_string"].decode("latin-1").split("&") if pair]
        query = {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}
        return cls(scope["method"], _utf8(bucket), _utf8(raw_key), query, headers, receive)

    def flag(self, header: str) -> bool:
        """Whether a header says ``true``."""
        return self.headers.get(header, "").lower() == "true"

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; raises ``ClientGone`` if it breaks off."""
        while not self.body_ended:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            self.body_ended = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def document(self) -> bytes:
        """A whole small body, at most 4 MiB."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > _MAX_DOCUMENT:
                raise OssError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        return bytes(body)

    async def drain(self, seconds: float) -> None:
        """Read off what is left of the body, so that a client that is still sending gets to read the answer."""
        try:
            async with asyncio.timeout(seconds):
                async for _ in self.chunks():
                    pass
        except (TimeoutError, ClientGoneError):
            pass


def _utf8(quoted: bytes) -> str:
    try:
        return unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        raise OssError("InvalidObjectName", "The specified object is not valid UTF-8.") from None
