"""``sync_airec`` by ``dag.test()``, against a real OSS server and the local cloud's AIRec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from searchloom import settings as settings_module
from searchloom.orchestration.connections import environment
from searchloom.settings import HOME
from tests.behaviour.conftest import cache, client, cloud, state, world
from tests.behaviour.world import World

__all__ = ["cache", "client", "cloud", "state", "world"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("metadata_database")]


@pytest.fixture
def connected(world: World, tmp_path: Path) -> Iterator[World]:
    """A world that Airflow's connections lead to."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(world.settings).items():
            patch.setenv(name, value)
        patch.setenv("SEARCHLOOM_STATE", str(tmp_path))
        patch.setenv("SEARCHLOOM_AIRFLOW__RETRY_DELAY_S", "1")
        settings_module.load.cache_clear()
        yield world
    settings_module.load.cache_clear()


@pytest.fixture
def dag(connected: World) -> DAG:  # noqa: ARG001  how long a retry waits is read when the file is
    found: DAG = DagBag(HOME / "dags" / "sync_airec.py").dags["sync_airec"]
    return found


def run(dag: DAG, world: World, **conf: Any) -> tuple[str, dict[str, str], dict[str, Any] | None]:
    """Run the DAG in this process; its state, those of its tasks, and the report."""
    ended = dag.test(run_conf={"corpus": world.corpus, **conf})
    tasks = ended.get_task_instances()
    reconciled = next(task for task in tasks if task.task_id == "sync.reconcile")
    report = reconciled.xcom_pull("sync.reconcile", map_indexes=0)
    return str(ended.state), {task.task_id.removeprefix("sync."): str(task.state) for task in tasks}, report


def test_a_run_brings_airec_up_to_the_corpus_and_the_log_and_a_second_one_has_nothing_to_do(
    dag: DAG, connected: World
) -> None:
    first, second = connected.documents(2)
    connected.log(connected.event(first), connected.event(second, user="bob"))
    state, tasks, report = run(dag, connected)
    assert (state, tasks["reconcile"], tasks["start_instance"]) == ("success", "success", "skipped")
    assert report
    assert {table: one["accepted"] for table, one in report["tables"].items()} == {"item": 2, "user": 2, "behavior": 2}
    assert (len(connected.told("item")), len(connected.behaviour())) == (2, 2)
    _, _, again = run(dag, connected)
    assert again
    assert [one["wanted"] for one in again["tables"].values()] == [0, 0, 0]


def test_a_run_that_cannot_reach_airec_is_red_with_a_report_and_the_next_one_heals_it(
    dag: DAG, connected: World
) -> None:
    (document,) = connected.documents(1)
    connected.log(connected.event(document))
    connected.fault("503", count=40)
    state, tasks, _ = run(dag, connected)
    assert (state, tasks["reconcile"]) == ("failed", "failed")
    (stored,) = connected.oss.list(f"reports/{connected.corpus}/airec/")
    assert connected.oss.get_json(stored.key)["missing"] == 3
    httpx.delete(f"{connected.settings.oss.endpoint}/_faults").raise_for_status()
    assert run(dag, connected)[0] == "success"
    assert (len(connected.told("item")), len(connected.behaviour())) == (1, 1)
