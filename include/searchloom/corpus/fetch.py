"""Gets the files of a batch from OSS: several at a time, in bounded memory, in the order of the batch."""

from __future__ import annotations

import io
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from searchloom.cloud.oss import ObjectInfo, Oss
from searchloom.corpus import formats, text
from searchloom.corpus.document import Unreadable
from searchloom.errors import ServiceNotFound

_THREADS = 8
_AHEAD_FILES = 24
_AHEAD_BYTES = 64 * 1024 * 1024
_STREAM_FROM = 8 * 1024 * 1024  # bytes; larger files of records go through a file on disk


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it came: its bytes (unpacked), or a stream of records, or the reason why it is not read, or gone."""

    name: str  # the key below raw/{corpus}/
    info: ObjectInfo
    mime: str = "application/octet-stream"
    data: bytes = b""
    stream: BinaryIO | None = None
    reason: str = ""
    gone: bool = False


class Fetcher:
    """Gets files below a prefix; ``limit`` is the most bytes of a file that is read whole."""

    def __init__(self, oss: Oss, prefix: str, limit: int) -> None:
        self._oss = oss
        self._prefix = prefix
        self._limit = limit
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch")
        self._folder = tempfile.TemporaryDirectory(prefix="searchloom-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def all(self, files: Sequence[ObjectInfo]) -> Iterator[Fetched]:
        """Yield each file, in order; a stream is good until the next one is asked for."""
        ahead: deque[tuple[ObjectInfo, Future[Fetched]]] = deque()
        waiting = 0
        for file in files:
            while ahead and (len(ahead) >= _AHEAD_FILES or waiting + file.size > _AHEAD_BYTES):
                waiting -= ahead[0][0].size
                yield from self._next(ahead.popleft()[1])
            ahead.append((file, self._pool.submit(self._fetch, file)))
            waiting += file.size
        while ahead:
            yield from self._next(ahead.popleft()[1])

    @staticmethod
    def _next(future: Future[Fetched]) -> Iterator[Fetched]:
        fetched = future.result()
        yield fetched
        if fetched.stream is not None:
            fetched.stream.close()
            if fetched.stream.name:
                Path(fetched.stream.name).unlink()

    def _fetch(self, file: ObjectInfo) -> Fetched:
        name = file.key.removeprefix(self._prefix)
        fetched = Fetched(name, file)
        try:
            kind, packed = formats.of(name)
            fetched = replace(fetched, mime=kind.mime)
            _check_size(file.size, None if kind.streamed else self._limit)
            if kind.streamed and file.size >= _STREAM_FROM:
                return self._to_disk(fetched)
            data, info = self._oss.get_with_info(file.key)
            fetched = replace(fetched, info=info)
            if kind.streamed:
                return replace(fetched, stream=_InMemory(data))
            return replace(fetched, data=text.gunzip(data, self._limit) if packed else data)
        except Unreadable as error:
            return replace(fetched, reason=str(error))
        except ServiceNotFound:
            return replace(fetched, gone=True)

    def _to_disk(self, fetched: Fetched) -> Fetched:
        # the head comes first: should the object be replaced in between, the next listing shows another etag
        info = self._oss.head(fetched.info.key)
        with tempfile.NamedTemporaryFile(dir=self._folder.name, delete=False) as place:
            path = Path(place.name)
        self._oss.download(fetched.info.key, path)
        return replace(fetched, info=info, stream=path.open("rb"))


def _check_size(size: int, limit: int | None) -> None:
    if not size:
        raise Unreadable("the file is empty (0 bytes)")
    if limit is not None and size > limit:
        raise Unreadable(f"the file has {size:,} bytes, more than the limit of {limit:,}")


class _InMemory(io.BytesIO):
    name = ""
