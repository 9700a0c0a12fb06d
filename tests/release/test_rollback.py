"""Promotion and roll-back while queries go on, between two releases with two models: none fails, none is of both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader as connect
from searchloom.engines.interface import GenerationMeta, Loader
from searchloom.query import tokens
from searchloom.query.client import SearchClient
from searchloom.release import registry
from searchloom.release.document import EmbeddingModel, Fusion, Release, alias_name, index_name
from searchloom.settings import ENGINES, Embedding, EngineName, Query, Settings
from searchloom.settings import Oss as OssSettings
from tests.query import collection
from tests.query.conftest import ROOT, model_service
from tests.query.test_process import environment, query_service
from tests.query.tiny_embedding import DIMS, TOKEN, VERSION, encoder
from tests.servers import local_cloud

MODELS = {1: (VERSION, DIMS), 2: ("tiny-2", 96)}
RATE, CLIENTS = 20, 4  # queries a second, and threads that send them
GENEROUS_S = 30.0
QUERIES = ("merge two tables with a database-style join", "load a parquet table from a file path")


@dataclass
class Two:
    """A corpus with two releases: other model, other service, other index, whose chunks carry the release's mark."""

    settings: Settings
    corpus: str
    loaders: dict[EngineName, Loader]
    releases: dict[int, Release] = field(default_factory=dict)

    @property
    def oss(self) -> Oss:
        return Oss(self.settings.oss)

    def aliases(self) -> set[str | None]:
        return {loader.alias_target(alias_name(self.corpus)) for loader in self.loaders.values()}

    def promote(self, number: int) -> Release:
        return registry.promote(self.oss, self.loaders, corpus=self.corpus, number=number)


@pytest.fixture(scope="module")
def two(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with ExitStack() as stack:
        cloud = stack.enter_context(local_cloud(tmp_path_factory.mktemp("cloud")))
        urls = {
            number: stack.enter_context(model_service(version, str(dims))).url
            for number, (version, dims) in MODELS.items()
        }
        own = settings.model_copy(
            update={
                "state": tmp_path_factory.mktemp("state"),
                "profile": "local",
                "embedding": Embedding(url="http://127.0.0.1:9", token=TOKEN),  # nobody: each release has its own
                "query": Query(deadline_ms=30_000, embedding_ms=15_000),
                "oss": OssSettings(
                    endpoint=cloud.endpoint,
                    region=cloud.region,
                    access_key_id=cloud.access_key_id,
                    access_key_secret=cloud.access_key_secret,
                ),
            }
        )
        Oss(own.oss).ensure_bucket()
        loaders = {name: connect(own, name) for name in ENGINES}
        made = Two(own, f"ht-{uuid.uuid4().hex[:8]}", loaders)
        for number in MODELS:
            _build(made, number, urls[number])
        yield made
        for loader in loaders.values():
            for number in MODELS:
                loader.drop(index_name(made.corpus, number))
            loader.close()


def _build(two: Two, number: int, url: str) -> None:
    version, dims = MODELS[number]
    index = index_name(two.corpus, number)
    for loader in two.loaders.values():
        loader.create(index, GenerationMeta(two.corpus, version, dims))
        writes = collection.writes(encode=encoder(version, dims), mark=f"release {number}")
        assert {outcome.status for outcome in loader.write(index, writes)} == {"written"}
        loader.refresh(index)
    two.releases[number] = registry.publish(
        two.oss,
        two.loaders,
        corpus=two.corpus,
        embedding=EmbeddingModel(version=version, dims=dims, service=url),
        generation=dict.fromkeys(ENGINES, index),
        fusion=Fusion(),
        created_by="tests",
    )


@dataclass
class Traffic:
    """What the clients saw."""

    answered: list[int] = field(default_factory=list)  # releases, in the order of the answers
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, url: str, token: str, corpus: str, client: int) -> None:
        engine = ENGINES[client % 2]
        with SearchClient(url, token) as service:
            number = 0
            while not self.stop.wait(CLIENTS / RATE):
                number += 1
                wanted = (client + number) % 2
                query = f"{QUERIES[wanted]} {client} {number}"  # never asked before: nobody remembers its vector
                mode = ("hybrid", "vector")[number % 2]
                try:
                    answer = service.search(query, corpus=corpus, engine=engine, mode=mode, k=5, explain=True)
                except Exception as error:  # noqa: BLE001  whatever it is, no query may see it
                    self.wrong.append(f"{type(error).__name__}: {error}")
                else:
                    self._check(answer, ("merge.md", "parquet.md")[wanted])

    def _check(self, answer: dict, first: str) -> None:
        release = answer["release"]
        self.answered.append(release)
        marks = {result["section"] for result in answer["results"]}
        found = answer["results"][0]["source_id"] if answer["results"] else None
        # With vectors of one model and an index of the other nothing, or something else, would be nearest.
        if answer["degraded"] or marks != {f"release {release}"} or found != first:
            self.wrong.append(f"release {release}: {found} first, of {marks}, degraded {answer['degraded']}")


def test_no_query_fails_or_mixes_two_releases_while_they_take_turns(
    two: Two, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    traffic, token = Traffic(), tokens.sign(two.settings, user="tester")
    switches: list[float] = []
    with query_service(two.settings, tmp_path / "query.log") as (url, _), ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(traffic.run, url, token, two.corpus, client) for client in range(CLIENTS)]
        try:
            _wait(lambda: len(traffic.answered) >= RATE, "the first answers")
            for target in (1, 2, 1, 2):
                started, seen = time.monotonic(), len(traffic.answered)
                if target == 1:
                    registry.rollback(two.oss, two.loaders, corpus=two.corpus)
                else:
                    two.promote(2)
                _wait(lambda: target in traffic.answered[seen:], f"answers of release {target}")  # noqa: B023
                switches.append(time.monotonic() - started)
                seen = len(traffic.answered)
                _wait(lambda: len(traffic.answered) >= seen + RATE // 2, "further answers")  # noqa: B023
        finally:
            traffic.stop.set()
        for client in clients:
            client.result()
    assert traffic.wrong == []
    assert {1, 2} == set(traffic.answered)
    assert max(switches) < GENEROUS_S, switches
    record_property("seconds until a client saw the other release", [round(one, 2) for one in switches])


def _wait(happened: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + GENEROUS_S
    while not happened():
        assert time.monotonic() < until, f"no sign of {what}"
        time.sleep(0.02)


KILLED_BETWEEN_THE_PHASES = """
import os, signal, sys
from searchloom import settings
from searchloom.cloud.oss import Oss
from searchloom.release import registry
from searchloom.release.commands import loaders

class Deadly(Oss):
    def put_json(self, key, document, **options):
        if key.endswith("/CURRENT"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put_json(key, document, **options)

registry.LEASE_S = 2.0
here = settings.load()
with loaders(here) as engines:
    registry.promote(Deadly(here.oss), engines, corpus=sys.argv[1], number=int(sys.argv[2]), owner=sys.argv[3])
"""


def kill_between_the_phases(two: Two, number: int, owner: str) -> None:
    given = environment(two.settings, "http://127.0.0.1:9")
    command = [sys.executable, "-c", KILLED_BETWEEN_THE_PHASES, two.corpus, str(number), owner]
    assert subprocess.run(command, env=os.environ | given, cwd=ROOT, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("owner", ["the same run, retried", "somebody else"])
def test_after_a_kill_between_the_phases_the_old_release_serves_and_any_promotion_heals(two: Two, owner: str) -> None:
    first, second = index_name(two.corpus, 1), index_name(two.corpus, 2)
    two.promote(2)
    kill_between_the_phases(two, 1, "the same run, retried")
    assert two.aliases() == {first}
    assert registry.current(two.oss, two.corpus) == two.releases[2]
    registry.promote(two.oss, two.loaders, corpus=two.corpus, number=1, owner=owner)
    assert two.aliases() == {first}
    assert registry.current(two.oss, two.corpus) == two.releases[1]
    two.promote(2)
    kill_between_the_phases(two, 1, "x")
    assert registry.heal(two.oss, two.loaders, corpus=two.corpus)
    assert two.aliases() == {second}
    assert not registry.heal(two.oss, two.loaders, corpus=two.corpus)
