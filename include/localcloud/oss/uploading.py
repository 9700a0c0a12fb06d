"""Request bodies into blobs: streamed, hashed and checked, with the file work in threads."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from localcloud.oss.answer import KEPT_HEADERS
from localcloud.oss.blobs import Blobs, BlobWriter, Written
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.names import parse_tags
from localcloud.oss.records import Attributes
from localcloud.oss.request import ClientGoneError, OssRequest

MAX_BODY_BYTES = 5 * 1024**3
_MAX_USER_META_BYTES = 8 * 1024
_CHUNK_BYTES = 1024 * 1024
_STORAGE_CLASSES = frozenset({"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"})
_ACLS = frozenset({"private", "public-read", "public-read-write", "default"})
Result = TypeVar("Result")


class Threads:
    """Runs blocking file and index work, so that the event loop is free for other clients."""

    def __init__(self, size: int = 32) -> None:
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="oss")

    async def run(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Call ``function`` in a thread and wait for what it returns."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))


@asynccontextmanager
async def received_body(request: OssRequest, blobs: Blobs, threads: Threads) -> AsyncIterator[Written]:
    """The request's body as a finished blob; if the block refuses it, the blob is deleted."""
    writer = await threads.run(blobs.writer)
    try:
        await _receive(request, writer, threads)
        written = await threads.run(writer.finish)
        _check_digest(request, written)
    except BaseException:
        writer.discard()
        raise
    try:
        yield written
    except Exception:
        # Not on cancellation: the thread may be committing the blob right now. The next start sweeps what stays.
        writer.discard()
        raise


async def _receive(request: OssRequest, writer: BlobWriter, threads: Threads) -> None:
    announced = _announced_length(request)
    buffer = bytearray()
    received = 0
    # One chunk is hashed and written while the next one comes in.
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in request.chunks():
            received += len(chunk)
            if received > MAX_BODY_BYTES:
                raise _too_large(received)
            buffer += chunk
            if len(buffer) >= _CHUNK_BYTES:
                if writing is not None:
                    await writing
                writing = asyncio.ensure_future(threads.run(writer.write, buffer))
                buffer = bytearray()
    finally:
        if writing is not None:
            await writing
    if announced is not None and received != announced:
        raise ClientGoneError
    if buffer:
        await threads.run(writer.write, buffer)


def _announced_length(request: OssRequest) -> int | None:
    length = request.headers.get("content-length")
    if length is None:
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            return None
        raise OssError("MissingContentLength", "You must provide the Content-Length HTTP header.")
    if int(length) > MAX_BODY_BYTES:
        raise _too_large(int(length))
    return int(length)


def _too_large(size: int) -> OssError:
    return OssError(
        "EntityTooLarge",
        "Your proposed upload exceeds the maximum allowed size.",
        ProposedSize=size,
        MaxSizeAllowed=MAX_BODY_BYTES,
    )


def _check_digest(request: OssRequest, written: Written) -> None:
    header = request.headers.get("content-md5")
    if header is None:
        return
    try:
        digest = base64.b64decode(header, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise OssError("InvalidDigest", "The Content-MD5 you specified is not valid.", ContentMD5=header)
    if digest != written.md5:
        raise OssError("InvalidDigest", "The Content-MD5 you specified did not match what we received.")


def attributes_of(request: OssRequest) -> Attributes:
    """What the request's headers say about the object it makes."""
    headers = {
        name: value for name, value in request.headers.items() if name in KEPT_HEADERS or name.startswith("x-oss-meta-")
    }
    meta = sum(len(name) + len(value) for name, value in headers.items() if name.startswith("x-oss-meta-"))
    if meta > _MAX_USER_META_BYTES:
        raise invalid_argument("The total size of the user metadata exceeds 8 KB.", "x-oss-meta", str(meta))
    tags = parse_tags(request.headers.get("x-oss-tagging", ""))
    return Attributes(headers, tags, acl_of(request) or "default", storage_class_of(request))


def acl_of(request: OssRequest) -> str | None:
    """The ACL that the request sets; raises ``InvalidArgument`` for one that does not exist."""
    for name in ("x-oss-object-acl", "x-oss-acl"):
        acl = request.headers.get(name)
        if acl is not None:
            if acl not in _ACLS:
                raise invalid_argument("no such object access control exists", name, acl)
            return acl
    return None


def storage_class_of(request: OssRequest) -> str | None:
    """The storage class that the request sets; raises ``InvalidArgument`` for one that does not exist."""
    chosen = request.headers.get("x-oss-storage-class")
    if chosen is not None and chosen not in _STORAGE_CLASSES:
        raise invalid_argument("The storage class you specified is not valid.", "x-oss-storage-class", chosen)
    return chosen
