"""Calls over connections that stay open: answers belong to their requests, whatever the other side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from searchloom.http_calls import HttpCalls, Unanswered

Serve = Callable[["Asked"], Awaitable[None]]


@dataclass
class Asked:
    """One request as it came, and the connection to answer on; ``number`` counts the connections."""

    number: int
    head: str
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(b"".join(parts))


@dataclass
class Server:
    """A real server that says to each request what a test wants it to say."""

    url: str = ""
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Server]:
    server = Server()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        number = server.connections
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
                request = Asked(number, head, await reader.readexactly(length), reader, writer)
                server.asked.append(request)
                await serve(request)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()


@asynccontextmanager
async def calling(connections: int = 8, login: tuple[str, str] | None = None) -> AsyncIterator[HttpCalls]:
    calls = HttpCalls(connections=connections, login=login)
    try:
        yield calls
    finally:
        await calls.close()


def ok(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{one}\r\n" for one in headers)
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


async def echo(asked: Asked) -> None:
    asked.say(ok(asked.body))


async def ask(calls: HttpCalls, server: Server, body: bytes = b"x", timeout_s: float = 5) -> tuple[int, bytes]:
    return await calls.send("POST", f"{server.url}/a?b=1", body, {"X-Own": "ü"}, timeout_s=timeout_s)


async def test_a_request_arrives_whole_and_one_connection_serves_many() -> None:
    async with serving(echo) as server, calling(login=("user", "pass:wörd")) as calls:
        for body in (b"1", b"", b"2" * 300_000):
            assert await ask(calls, server, body) == (200, body)
        assert server.connections == 1
        assert server.asked[0].head.startswith("POST /a?b=1 HTTP/1.1\r\n")
        assert "X-Own: ü\r\n" in server.asked[0].head
        assert "Authorization: Basic dXNlcjpwYXNzOnfDtnJk\r\n" in server.asked[0].head


async def test_answers_in_chunks_and_interim_answers_are_read() -> None:
    async def serve(asked: Asked) -> None:
        asked.say(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"2\r\nab\r\n", b"1\r\nc\r", b"\n0\r\n\r\n"):
            asked.say(piece)
            await asked.writer.drain()
            await asyncio.sleep(0.01)

    async with serving(serve) as server, calling() as calls:
        assert [await ask(calls, server) for _ in range(2)] == [(201, b"abc")] * 2
        assert server.connections == 1


async def test_a_connection_that_the_other_side_closed_meanwhile_is_replaced() -> None:
    async def serve(asked: Asked) -> None:
        asked.say(ok(asked.body))
        await asked.writer.drain()
        asked.writer.close()

    async with serving(serve) as server, calling() as calls:
        for body in (b"1", b"2", b"3"):
            assert await ask(calls, server, body) == (200, body)


async def test_a_connection_that_is_closed_for_the_next_request_is_replaced() -> None:
    async def serve(asked: Asked) -> None:
        if asked.number == 1 and asked.body == b"2":
            asked.writer.close()
        else:
            asked.say(ok(asked.body))

    async with serving(serve) as server, calling() as calls:
        assert [await ask(calls, server, body) for body in (b"1", b"2")] == [(200, b"1"), (200, b"2")]
        assert server.connections == 2


async def test_an_answer_that_comes_too_late_is_nobody_elses() -> None:
    async def serve(asked: Asked) -> None:
        if asked.body == b"slow":
            await asyncio.sleep(0.3)
        asked.say(ok(asked.body))

    async with serving(serve) as server, calling() as calls:
        with pytest.raises(Unanswered, match=r"nothing came within 0\.10 s"):
            await ask(calls, server, b"slow", timeout_s=0.1)
        leaving = asyncio.create_task(ask(calls, server, b"slow"))
        await asyncio.sleep(0.1)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        for number in range(20):
            assert await ask(calls, server, str(number).encode()) == (200, str(number).encode())
            await asyncio.sleep(0.02)


async def test_many_calls_at_once_get_their_own_answers_over_few_connections() -> None:
    async def serve(asked: Asked) -> None:
        await asyncio.sleep(0.01)
        asked.say(ok(asked.body))

    async with serving(serve) as server, calling(connections=4) as calls:
        bodies = [str(number).encode() for number in range(60)]
        assert await asyncio.gather(*(ask(calls, server, body) for body in bodies)) == [(200, one) for one in bodies]
        assert server.connections <= 4


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"SMTP ready\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "closed before the answer was whole"),
        (b"", "closed before the answer was whole"),
    ],
)
async def test_what_is_no_answer_is_told(said: bytes, told: str) -> None:
    async def serve(asked: Asked) -> None:
        asked.say(said)
        await asked.writer.drain()
        asked.writer.close()

    async with serving(serve) as server, calling() as calls:
        with pytest.raises(Unanswered, match=told):
            await ask(calls, server)


async def test_nobody_there_is_told() -> None:
    async with calling() as calls:
        with pytest.raises(Unanswered, match=r"127\.0\.0\.1"):
            await calls.send("GET", "http://127.0.0.1:9/", None, {}, timeout_s=5)


async def test_no_header_smuggles_another_line() -> None:
    async with calling() as calls:
        with pytest.raises(ValueError, match="line break"):
            await calls.send("GET", "http://127.0.0.1:9/", None, {"X": "1\r\nHost: elsewhere"}, timeout_s=5)


@pytest.mark.parametrize("url", ["/embed", "ftp://127.0.0.1/", "http:///x", "http://127.0.0.1:many/"])
async def test_what_is_no_address_is_told(url: str) -> None:
    async with calling() as calls:
        with pytest.raises(Unanswered, match="is no address"):
            await calls.send("GET", url, None, {}, timeout_s=5)
