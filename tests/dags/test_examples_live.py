"""Every example DAG in a real Airflow: green, with its link and the remote log; and what a person stops is stopped."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_jobs import FineTune
from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import Job, PaiDlc
from searchloom.engines.connect import loader
from searchloom.orchestration.api import Json
from searchloom.settings import ENGINES, HOME
from tests.dags.live import Live, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CORPUS = f"live-{uuid.uuid4().hex[:6]}"
INDEX = CORPUS.replace("-", "_")
PATIENCE_S = 600


@dataclass(frozen=True)
class Expected:
    """What a run shows. ``links``: task -> name of its button; ``lines``: task -> words in its log."""

    conf: dict[str, Any] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    lines: dict[str, tuple[str, ...]] = field(default_factory=dict)


AIREC, EAS = "AIRec instance", "PAI-EAS service"
# The longest first: all of them run side by side, as far as the workers go.
EXAMPLES = {
    "bailian_fine_tune": Expected(
        conf={"conversations": 4},
        links={"fine_tune": "Bailian fine-tune"},
        lines={"fine_tune": ("is RUNNING", "made model", "loss")},
    ),
    "pai_eas_blue_green": Expected(
        links={"blue": EAS, "green_takes_some": EAS, "two_of_green": EAS, "former_green": EAS},
        lines={"another_green": ("is Running",)},
    ),
    "bailian_index": Expected(links={"index": "Bailian index"}, lines={"retrieve": ()}),
    "bailian_deploy": Expected(links={"deploy": "Bailian deployment"}, lines={"deploy": ("is RUNNING",)}),
    "pai_dlc_job": Expected(
        conf={"seconds": 3, "words": "whales sing"},
        links={"job": "PAI-DLC job"},
        lines={"job": ("second 1", "second 3", "whales sing", "succeeded")},
    ),
    "pai_dlc_sensor": Expected(lines={"wait": ("second 1", "second 3")}),
    "pai_eas_deploy": Expected(links={"deploy": EAS}, lines={"deploy": ("is Running",)}),
    "pai_register_model": Expected(links={"register": "PAI model", "approve": "PAI model"}),
    "oss_sensors": Expected(lines={"marker": ("_SUCCESS",), "parts": ("part-",)}),
    "airec_push": Expected(links={"push": AIREC}),
    "airec_import": Expected(links={"import_pushed": AIREC, "go_back": AIREC}),
    "airec_deploy_ranking": Expected(links={"deploy": AIREC}),
    "engine_generation": Expected(conf={"corpus": CORPUS, "index": INDEX}),
}


def test_every_example_is_here() -> None:
    assert set(EXAMPLES) == {path.stem for path in (HOME / "dags" / "examples").glob("*.py")}


@pytest.fixture(scope="module")
def corpus(live: Live) -> Iterator[str]:
    """A corpus that is read and embedded, but in no engine; what an example makes of it there goes at the end."""
    oss = Oss(live.settings.oss)
    for number in range(3):
        oss.put(f"raw/{CORPUS}/{number}.md", f"# Whale {number}\n\nIts song is number {number}.".encode())
    began = datetime.now(UTC)
    live.unpause("embed_corpus")
    run_id = live.start("ingest_corpus", corpus=CORPUS)
    assert live.ended("ingest_corpus", run_id, patience_s=PATIENCE_S) == "success", live.story("ingest_corpus", run_id)
    (embedding, *_) = wait_for(
        lambda: live.api.set_off("embed_corpus", since=began) or None, patience_s=PATIENCE_S, what="embed_corpus"
    )
    assert live.ended("embed_corpus", embedding["dag_run_id"], patience_s=PATIENCE_S) == "success"
    yield CORPUS
    for name in ENGINES:
        engine = loader(live.settings, name)
        engine.drop(INDEX)
        engine.close()


@pytest.fixture(scope="module")
def runs(live: Live, corpus: str) -> dict[str, str]:  # noqa: ARG001  one example reads the corpus
    """A run of each example, all set off at once: example -> id of its run."""
    address = {"url": f"{live.settings.oss.endpoint}/_health"}
    return {
        name: live.start(name, **expected.conf, **(address if name == "airec_deploy_ranking" else {}))
        for name, expected in EXAMPLES.items()
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs_green_and_shows_its_link_and_the_remote_log(
    live: Live, runs: dict[str, str], name: str
) -> None:
    expected, run_id = EXAMPLES[name], runs[name]
    assert live.ended(name, run_id, patience_s=PATIENCE_S) == "success", live.story(name, run_id)
    tasks = {task["task_id"]: task for task in live.api.tasks(name, run_id)}
    assert {task["state"] for task in tasks.values()} == {"success"}
    for task_id, button in expected.links.items():
        address = live.api.links(tasks[task_id])[button]
        assert address
        assert address.startswith("https://")
    for task_id, words in expected.lines.items():
        log = "\n".join(live.api.log(tasks[task_id]))
        assert [word for word in words if word not in log] == [], log


@pytest.fixture
def dlc(live: Live) -> PaiDlc:
    return PaiDlc(live.settings.acs, workspace_id=live.settings.pai.workspace_id)


def waiting(live: Live, dag_id: str, run_id: str, task_id: str, words: str) -> Json:
    """Wait until the triggerer waits for the task, which the words of the trigger in the task's log say.

    Of a task that is marked before that, Airflow tells nobody: its remote job goes on.
    """

    def deferred() -> Json | None:
        task = live.task(dag_id, run_id, task_id)
        return task if task["state"] == "deferred" and words in "\n".join(live.api.log(task)) else None

    return wait_for(deferred, patience_s=PATIENCE_S, what=f"{words!r} in the log of {dag_id}.{task_id}")


def job_in(dlc: PaiDlc, words: str, *statuses: str) -> Job:
    """Wait until the one job of this name has one of the statuses."""

    def look() -> Job | None:
        found = list(dlc.list(name=words))
        assert len(found) < 2, found
        return found[0] if found and found[0].status in statuses else None

    return wait_for(look, patience_s=PATIENCE_S, what=f"a job {words!r} that is {statuses}")


def name_of_job(task: Json) -> str:
    """Return how ``PaiDlcJobOperator`` names the job of a first try."""
    return f"{task['dag_id']}.{task['task_id']}-try1-{task['id']}"


def test_a_run_marked_as_failed_stops_its_training_job(live: Live, dlc: PaiDlc) -> None:
    run_id = live.start("pai_dlc_job", seconds=500, folder="examples/stopped")
    task = waiting(live, "pai_dlc_job", run_id, "job", "is Running")
    job_in(dlc, name_of_job(task), "Running")
    live.api.mark_run_failed("pai_dlc_job", run_id)
    job_in(dlc, name_of_job(task), "Stopped")
    assert live.ended("pai_dlc_job", run_id, patience_s=PATIENCE_S) == "failed"
    assert live.task("pai_dlc_job", run_id, "job")["state"] == "failed"


def test_a_task_marked_as_failed_in_the_moment_its_job_is_made_leaves_no_job_running(live: Live, dlc: PaiDlc) -> None:
    # Airflow kills (-9) five seconds after it asked; a job that is made later than that ends by its max_minutes.
    live.fault(service="pai_dlc", action="CreateJob", kind="slow", delay_s=3)
    run_id = live.start("pai_dlc_job", seconds=500, folder="examples/stopped-early")

    def noted() -> Json | None:
        task = live.task("pai_dlc_job", run_id, "job")
        return task if task["state"] == "running" and not live.faults_left() else None

    task = wait_for(noted, patience_s=PATIENCE_S, what="the call that makes the job", every_s=0.2)
    live.api.mark_task_failed(task)
    job_in(dlc, name_of_job(task), "Stopped")
    assert live.ended("pai_dlc_job", run_id, patience_s=PATIENCE_S) == "failed"


def test_a_task_marked_as_failed_cancels_its_fine_tune(live: Live) -> None:
    run_id = live.start("bailian_fine_tune", conversations=200, epochs=100)
    task = waiting(live, "bailian_fine_tune", run_id, "fine_tune", "is RUNNING")
    job_id = (live.api.links(task)["Bailian fine-tune"] or "").rpartition("/")[2]
    bailian = Bailian(live.settings.bailian)

    def status(*wanted: str) -> FineTune:
        def look() -> FineTune | None:
            found = bailian.fine_tune(job_id=job_id)
            return found if found.status in wanted else None

        return wait_for(look, patience_s=PATIENCE_S, what=f"fine-tune {job_id} to be {wanted}")

    status("RUNNING")
    live.api.mark_task_failed(task)
    status("CANCELED")
    bailian.close()
    assert live.ended("bailian_fine_tune", run_id, patience_s=PATIENCE_S) == "failed"
