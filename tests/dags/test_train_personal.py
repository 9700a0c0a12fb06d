"""The daily training by ``dag.test()``, against a real OSS server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from searchloom.cloud.oss import Oss
from searchloom.evaluation.drift import report
from searchloom.orchestration.connections import environment
from searchloom.personalization import published
from searchloom.settings import HOME, Settings
from searchloom.settings import Oss as OssSettings
from tests.personalization import log_in_oss

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("metadata_database")]

CORPUS = "personal-dag"


@pytest.fixture(scope="module")
def oss(store_settings: OssSettings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oss]:
    """A bucket that the DAG finds through Airflow's connection, with documents in it."""
    settings = Settings(
        oss=store_settings.model_copy(update={"bucket": "personal-dag"}), cache=tmp_path_factory.mktemp("cache")
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings).items():
            patch.setenv(name, value)
        client = Oss(settings.oss)
        client.ensure_bucket()
        log_in_oss.ingest(client, CORPUS, settings)
        yield client


@pytest.fixture(scope="module")
def dag() -> DAG:
    bag = DagBag(HOME / "dags")
    assert bag.import_errors == {}
    found: DAG = bag.dags["train_personal"]
    return found


def run(dag: DAG, corpus: str = CORPUS) -> dict[str, Any]:
    ended = dag.test(run_conf={"corpus": corpus})
    tasks = {task.task_id: task.state for task in ended.get_task_instances()}
    told = {"trained": "train", "drift": "look_for_drift"}
    returned = {name: ended.get_task_instance(task).xcom_pull(task) for name, task in told.items()}
    return {**tasks, "state": ended.state, **returned}


def test_with_too_little_behaviour_the_run_is_green_and_nothing_serves(dag: DAG, oss: Oss) -> None:
    ended = run(dag)
    assert (ended["state"], ended["train"], ended["promote"]) == ("success", "success", "skipped")
    assert "too little behaviour" in ended["trained"]["summary"]
    assert ended["drift"]["verdict"] == "too little to say"
    assert published.current(oss, CORPUS) is None


def test_what_people_did_becomes_what_serves_and_a_second_run_changes_nothing(dag: DAG, oss: Oss) -> None:
    log_in_oss.write(oss, log_in_oss.behaviour(CORPUS))
    ended = run(dag)
    assert (ended["state"], ended["promote"]) == ("success", "success")
    assert published.current(oss, CORPUS) == ended["trained"]["version"]
    (found,) = report.newest(oss, CORPUS, 9)
    assert (ended["drift"]["report"], found.recent.people) == (report.key(CORPUS, found.day), 60)
    assert run(dag)["trained"] == ended["trained"]


@pytest.mark.usefixtures("oss")
def test_a_corpus_that_is_not_there_fails_with_what_to_do(dag: DAG) -> None:
    ended = dag.test(run_conf={"corpus": "not-there"})
    assert ended.state == "failed"
