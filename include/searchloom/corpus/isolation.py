"""Parsers in a process of their own, with a time bound: a hang or a crash costs one file, never the batch.

Python cannot interrupt a parser that is busy inside a C library (a page of 100,000 nested tags keeps one busy for a
quarter of a minute, more of them for hours), so the process is killed and a new one started.
Run as ``python -m searchloom.corpus.isolation FD`` it is that process.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from searchloom.corpus import formats
from searchloom.corpus.document import Document, Rejected, Unreadable

log = logging.getLogger(__name__)

PARSE_TIMEOUT_S = 30.0
_START_TIMEOUT_S = 60.0
_KILL_TIMEOUT_S = 10.0


class Parsers:
    """Reads files through the parsers of ``formats``; a context manager that owns at most one process."""

    def __init__(self, timeout_s: float = PARSE_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def read(self, name: str, data: bytes) -> list[Document | Rejected]:
        """Return what is in a file (unpacked bytes); raises ``Unreadable`` when it cannot be read at all."""
        kind, _ = formats.of(name)
        if not kind.isolated:
            return parse(name, data)
        connection = self._connection or self._start()
        try:
            connection.send((name, data))
            if not connection.poll(self._timeout_s):
                self._stop()
                raise Unreadable(f"the parser was still busy after {self._timeout_s:g} s and was stopped")
            answer = connection.recv()
        except (EOFError, OSError) as error:
            code = self._stop()
            raise Unreadable(f"the parser's process died on it (exit code {code})") from error
        if isinstance(answer, str):
            raise Unreadable(answer)
        return list(answer)

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "searchloom.corpus.isolation", str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        self._connection = Connection(ours.detach())
        if not self._connection.poll(_START_TIMEOUT_S):
            self._stop()
            raise Unreadable(f"the parser's process did not start within {_START_TIMEOUT_S:g} s")
        self._connection.recv()
        return self._connection

    def _stop(self) -> int | None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            return process.wait(timeout=0.5)  # it ends by itself when the connection closes, unless it is stuck
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(timeout=_KILL_TIMEOUT_S)


def parse(name: str, data: bytes) -> list[Document | Rejected]:
    """Read a file here and now; every failure of its parser becomes ``Unreadable``."""
    try:
        return list(formats.of(name)[0].parse(data, name))
    except Unreadable:
        raise
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except Exception as error:  # whatever a third-party parser raises on hostile input, the batch goes on
        log.warning("the parser failed on %s", name, exc_info=True)
        raise Unreadable(f"the parser failed: {type(error).__name__}: {str(error)[:200]}") from error


def serve(descriptor: int) -> None:
    """Answer (name, data) with a list of documents, or with the reason as a string, until the other side hangs up."""
    connection = Connection(descriptor)
    connection.send("ready")
    while True:
        try:
            name, data = connection.recv()
        except EOFError:
            return
        try:
            connection.send(parse(name, data))
        except Unreadable as error:
            connection.send(str(error))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
