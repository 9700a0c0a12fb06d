"""Both real engines for the tests: started once, from the homes of the local stack, on free ports and empty folders."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from searchloom.settings import ENGINES, Engine, EngineName, load
from searchloom.stack import engine_homes, lifecycle, parts
from searchloom.stack.process import Keeper

HEAP = "512m"


class EngineServers:
    """The two servers; ``urls`` says where they answer."""

    def __init__(self, state: Path, *, inference: bool) -> None:
        addresses = {
            name: Engine(url=f"http://127.0.0.1:{_free_port()}", heap=HEAP, inference=inference) for name in ENGINES
        }
        self.settings = load().model_copy(update={"state": state, **addresses})
        self.urls: dict[EngineName, str] = {name: self.settings.engine(name).url for name in ENGINES}
        self._keeper = Keeper(state)

    def start(self) -> None:
        """Start what does not run; return when both answer."""
        described = [parts.describe(self.settings, name) for name in ENGINES]
        lifecycle.start_all(described, self._keeper, lambda _name, _what: None)

    def kill(self, name: EngineName) -> None:
        """Kill a server, as the kernel does when memory runs out."""
        leader = self._keeper.leader(name)
        assert leader, f"{name} does not run"
        leader.kill()
        leader.wait(timeout=30)

    def stop(self) -> None:
        """Stop both."""
        for name in ENGINES:
            self._keeper.stop(name, grace=10)


@contextmanager
def engines(*, inference: bool = False) -> Iterator[EngineServers]:
    """Start OpenSearch and Elasticsearch, yield them, stop them and remove their data at the end.

    With ``inference`` they are those that call models; what that takes is fetched first, if it is not there.

    Use it in a fixture of scope ``session``: a start takes 10 to 50 seconds.
    """
    state = Path(tempfile.mkdtemp(prefix="searchloom-tests-"))
    servers = EngineServers(state, inference=inference)
    try:
        if inference:
            engine_homes.ensure(servers.settings, Console())
        servers.start()
        yield servers
    finally:
        servers.stop()
        shutil.rmtree(state)


def _free_port() -> int:
    """Let the system choose: test sessions that run side by side then hardly ever choose the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
