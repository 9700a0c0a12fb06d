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


@contextmanager
def engines(*, inference: bool = False) -> Iterator[dict[EngineName, str]]:
    """Start OpenSearch and Elasticsearch, yield their URLs by name, stop them and remove their data at the end.

    With ``inference`` they are those that call models; what that takes is fetched first, if it is not there.

    Use it in a fixture of scope ``session``: a start takes 10 to 50 seconds.
    """
    state = Path(tempfile.mkdtemp(prefix="searchloom-tests-"))
    addresses = {
        name: Engine(url=f"http://127.0.0.1:{_free_port()}", heap=HEAP, inference=inference) for name in ENGINES
    }
    settings = load().model_copy(update={"state": state, **addresses})
    keeper = Keeper(state)
    try:
        if inference:
            engine_homes.ensure(settings, Console())
        lifecycle.start_all([parts.describe(settings, name) for name in ENGINES], keeper, lambda _name, _what: None)
        yield {name: settings.engine(name).url for name in ENGINES}
    finally:
        for name in ENGINES:
            keeper.stop(name, grace=10)
        shutil.rmtree(state)


def _free_port() -> int:
    """Let the system choose: test sessions that run side by side then hardly ever choose the same one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
