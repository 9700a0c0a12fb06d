"""A TCP proxy before a real server: it can refuse, or accept and stay silent, and come back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class TcpProxy:
    """Forwards to ``target`` until told otherwise."""

    def __init__(self, target: str) -> None:
        where = urlsplit(target)
        self._target = (where.hostname or "", where.port or 80)
        self._open: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._listen(0)
        self.url = f"http://127.0.0.1:{self._port}"

    def refuse(self) -> None:
        """Be a server that has died: connections are broken and refused."""
        # A thread that waits in accept() would keep the port open; shutdown() wakes it.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def hang(self) -> None:
        """Be a server that takes connections and never answers."""
        self._flowing.clear()

    def recover(self) -> None:
        """Forward again."""
        self._flowing.set()
        if self._listener.fileno() == -1:
            self._listen(self._port)

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_proxy(target: str) -> Iterator[TcpProxy]:
    """Stand before the server at this URL, on a free port."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.recover()
        proxy.refuse()
