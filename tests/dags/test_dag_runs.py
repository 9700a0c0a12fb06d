"""Each DAG by ``dag.test()``, against a real OSS server and both real engines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader
from searchloom.orchestration.connections import environment
from searchloom.release import registry
from searchloom.release.document import alias_name, index_name
from searchloom.settings import ENGINES, HOME, Settings
from searchloom.settings import Oss as OssSettings
from tests.servers import local_cloud

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("metadata_database")]

CORPUS = "dag-test"


@pytest.fixture(scope="module")
def connected(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose services the DAGs find through Airflow's connections; the corpus leaves the engines at the end."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as cloud, pytest.MonkeyPatch.context() as patch:
        oss = OssSettings(
            endpoint=cloud.endpoint,
            region=cloud.region,
            bucket="dags",
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
        )
        here = settings.model_copy(update={"oss": oss})
        for name, value in environment(here).items():
            patch.setenv(name, value)
        Oss(oss).ensure_bucket()
        yield here
        for name in ENGINES:
            engine = loader(here, name)
            engine.drop(index_name(CORPUS, 1))
            engine.close()


@pytest.fixture(scope="module")
def oss(connected: Settings) -> Oss:
    return Oss(connected.oss)


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    bag = DagBag(HOME / "dags")
    assert bag.import_errors == {}
    return dict(bag.dags)


def run(dag: DAG, **conf: Any) -> dict[str, Any]:
    """Run a DAG in this process; states of its tasks, and what its last task returned under ``result``."""
    ended = dag.test(run_conf={"corpus": CORPUS, **conf})
    tasks = {task.task_id: task.state for task in ended.get_task_instances()}
    last = {"ingest_corpus": "commit", "embed_corpus": "announce", "load_search": "publish"}[dag.dag_id]
    return {**tasks, "state": ended.state, "result": ended.get_task_instance(last).xcom_pull(last)}


@pytest.mark.usefixtures("oss")
def test_an_empty_corpus_fails_instead_of_doing_nothing(dags: dict[str, DAG]) -> None:
    ended = run(dags["ingest_corpus"], corpus="not-there")
    assert (ended["state"], ended["plan"], ended["commit"]) == ("failed", "failed", "upstream_failed")


def test_files_become_judged_chunks_vectors_and_a_first_release_on_both_engines(
    dags: dict[str, DAG], oss: Oss, connected: Settings
) -> None:
    for number in range(3):
        oss.put(f"raw/{CORPUS}/{number}.md", f"# Whale {number}\n\nWhales number {number} sing.".encode())
    oss.put(f"raw/{CORPUS}/broken.json", b"{broken")

    ingested = run(dags["ingest_corpus"])
    assert ingested["state"] == "success"
    assert (ingested["result"]["new"], ingested["result"]["quarantined"]) == (3, 1)
    embedded = run(dags["embed_corpus"])
    assert embedded["result"]["embedded"] == ingested["result"]["chunks"]
    loaded = run(dags["load_search"])

    assert {name: report["written"] for name, report in loaded["result"]["engines"].items()} == dict.fromkeys(
        ENGINES, 3
    )
    release = registry.current(oss, CORPUS)
    assert release
    assert release.number == 1
    for name in ENGINES:
        engine = loader(connected, name)
        assert engine.alias_target(alias_name(CORPUS)) == index_name(CORPUS, 1)
        engine.close()


def test_a_second_run_over_an_unchanged_corpus_does_nothing(dags: dict[str, DAG]) -> None:
    ingested = run(dags["ingest_corpus"])
    assert ingested["result"]["seq"] is None
    assert (ingested["parse"], ingested["commit"], ingested["announce"]) == ("skipped", "success", "skipped")
    assert run(dags["embed_corpus"])["result"]["embedded"] == 0
    for report in run(dags["load_search"])["result"]["engines"].values():
        assert (report["written"], report["deleted"]) == (0, 0)


def test_a_lost_index_is_announced_again_and_comes_back_whole(dags: dict[str, DAG], connected: Settings) -> None:
    engine = loader(connected, "opensearch")
    engine.drop(index_name(CORPUS, 1))
    assert run(dags["ingest_corpus"])["announce"] == "success"
    reports = run(dags["load_search"])["result"]["engines"]
    assert (reports["opensearch"]["written"], reports["elasticsearch"]["written"]) == (3, 0)
    assert engine.count(index_name(CORPUS, 1)) == 3
    engine.close()
