"""``rollback_release`` by ``dag.test()``, against a real OSS server and both real engines."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.engines.interface import GenerationMeta
from searchloom.orchestration.connections import environment
from searchloom.release import registry
from searchloom.release.commands import loaders
from searchloom.release.document import EmbeddingModel, Fusion, alias_name, index_name
from searchloom.settings import ENGINES, HOME, Settings
from searchloom.settings import Oss as OssSettings
from tests.servers import local_cloud

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("metadata_database")]

CORPUS = f"rolled-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def released(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A corpus with three releases, the third one live."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as cloud, pytest.MonkeyPatch.context() as patch:
        oss = OssSettings(
            endpoint=cloud.endpoint,
            bucket="dags",
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
        )
        here = settings.model_copy(update={"oss": oss})
        for name, value in environment(here).items():
            patch.setenv(name, value)
        Oss(oss).ensure_bucket()
        with loaders(here) as engines:
            for number in (1, 2, 3):
                for engine in engines.values():
                    engine.create(index_name(CORPUS, number), GenerationMeta(CORPUS, f"model-{number}", 4))
                registry.publish(
                    Oss(oss),
                    engines,
                    corpus=CORPUS,
                    embedding=EmbeddingModel(version=f"model-{number}", dims=4),
                    generation=dict.fromkeys(ENGINES, index_name(CORPUS, number)),
                    fusion=Fusion(),
                    created_by="tests",
                )
            yield here
            for engine in engines.values():
                for number in (1, 2, 3):
                    engine.drop(index_name(CORPUS, number))


@pytest.fixture(scope="module")
def dag() -> DAG:
    found: DAG = DagBag(HOME / "dags").dags["rollback_release"]
    return found


def serving(settings: Settings) -> tuple[int, set[str | None]]:
    """The live release, and what the aliases of both engines point at."""
    live = registry.current(Oss(settings.oss), CORPUS)
    assert live
    with loaders(settings) as engines:
        return live.number, {engine.alias_target(alias_name(CORPUS)) for engine in engines.values()}


def run(dag: DAG, **conf: Any) -> dict[str, Any]:
    ended = dag.test(run_conf={"corpus": CORPUS, **conf})
    return {task.task_id: task.state for task in ended.get_task_instances()}


def test_it_goes_to_the_release_before_or_to_the_one_of_the_number(released: Settings, dag: DAG) -> None:
    assert run(dag) == {"choose": "success", "promote": "success"}
    assert serving(released) == (2, {index_name(CORPUS, 2)})
    run(dag, number=3)
    assert serving(released) == (3, {index_name(CORPUS, 3)})


def test_a_number_that_is_not_there_changes_nothing(released: Settings, dag: DAG) -> None:
    before = serving(released)
    assert run(dag, number=9)["choose"] == "failed"
    assert serving(released) == before
