from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.dag_processing.dagbag import DagBag

from searchloom.settings import HOME

DAGS = (
    "embed_corpus",
    "ingest_corpus",
    "load_search",
    "rollback_release",
    "sync_airec",
    "train_models",
    "train_personal",
)


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(HOME / "dags")


def test_every_dag_file_is_imported_without_an_error(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == list(DAGS)


def test_no_dag_file_imports_at_parse_time_what_only_tasks_need(bag: DagBag) -> None:
    slowest = max(bag.dagbag_stats, key=lambda stat: stat.duration)
    assert slowest.duration < timedelta(seconds=5), slowest.file  # 0.4 s on two idle cores; torch alone takes 10 s


@pytest.mark.parametrize("dag_id", DAGS)
def test_every_task_retries_has_a_limit_and_tells_the_person_on_call_what_to_do(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    assert f"docs/runbook.md`, section *{dag_id}*" in dag.doc_md
    assert f"## {dag_id}" in (HOME / "docs" / "runbook.md").read_text(encoding="utf-8")
    for task in dag.tasks:
        assert task.retries >= 3, task.task_id
        assert task.execution_timeout or task.response_timeout, task.task_id
        assert task.on_failure_callback, task.task_id
        assert task.retry_policy, task.task_id
        assert task.owner == "search"


def test_assets_link_the_dags_in_the_order_of_the_data(bag: DagBag) -> None:
    produced = {dag_id: {outlet.name for task in bag.dags[dag_id].tasks for outlet in task.outlets} for dag_id in DAGS}
    assert produced == {
        "ingest_corpus": {"chunks"},
        "rollback_release": {"chunks"},  # what was ingested since goes into the older generation too
        "embed_corpus": {"vectors"},
        "load_search": {"search_index"},
        "sync_airec": set(),
        "train_models": set(),  # before it promotes, it brings its generation up to the manifest itself
        "train_personal": set(),
    }
