"""``train_models`` on a real Airflow: killed in every stage it ends in one release, and what lost leaves nothing."""

from __future__ import annotations

import logging
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import Job, PaiDlc
from searchloom.cloud.pai_eas import PaiEas
from searchloom.corpus.docstrings import symbols
from searchloom.embedding import model as models
from searchloom.engines.connect import loader
from searchloom.orchestration.api import Json
from searchloom.release import registry
from searchloom.release.document import Fusion, index_name
from searchloom.release.wire import service_name
from searchloom.settings import ENGINES, Settings
from tests.corpus.runs import MODEL_FOLDER
from tests.dags.live import Live, wait_for
from tests.evaluation.released import Released

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

log = logging.getLogger(__name__)

DAG = "train_models"
DOCUMENTS, TEST, DEV = 160, 80, 30
PATIENCE_S = 1500
GENERATIONS = range(1, 9)
TIMES = {"embedding_minutes": 0.4, "reranker_minutes": 0.2}


@pytest.fixture(scope="module")
def released(live: Live) -> Iterator[Released]:
    """Docstrings, each found by its summary line; live is a model that is easy to beat: the base model and noise."""
    oss = Oss(live.settings.oss)
    oss.ensure_bucket()
    it = Released(oss, live.settings, f"trained-{uuid.uuid4().hex[:6]}")
    root = Path(next(path for path in sys.path if path.endswith("site-packages")))
    unique = {symbol.summary: symbol for symbol in symbols("networkx", root / "networkx")}
    chosen = sorted({one.title: one for one in unique.values()}.values(), key=lambda one: one.body)[:DOCUMENTS]
    it.ingest({"_id": one.title, "title": one.title, "text": one.body[:600]} for one in chosen)
    queries = {one.title: (one.summary, {one.title: 1}) for one in sorted(chosen, key=lambda one: one.summary)}
    names = list(queries)
    it.judge_by("test", {name: queries[name] for name in names[:TEST]})
    it.judge_by("dev", {name: queries[name] for name in names[TEST : TEST + DEV]})
    models.publish_base(oss, live.settings)
    folder = noisy(Path(live.settings.state) / "noisy")
    card = it.publish_model(folder, f"noisy-{it.corpus}", languages=("en",))
    it.release(it.build(card, index_name(it.corpus, 1)), Fusion(vector_weight=0.9, trained_languages=("en",)))
    yield it
    it.indexes[:] = [index_name(it.corpus, number) for number in GENERATIONS]
    it.drop()


def noisy(folder: Path) -> Path:
    """The base model with noise on its weights: it still works, and a little training beats it."""
    shutil.copytree(MODEL_FOLDER, folder)
    draw = torch.Generator().manual_seed(7)
    weights = {
        name: tensor + 0.7 * tensor.std() * torch.randn(tensor.shape, generator=draw)
        if tensor.is_floating_point() and tensor.dim() == 2
        else tensor
        for name, tensor in load_file(folder / "model.safetensors").items()
    }
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def task_at(live: Live, run_id: str, task_id: str, state: str) -> Json | None:
    """A task instance (any of a mapped one) that is in this state; a run that has ended is told as it was."""
    assert live.api.run(DAG, run_id)["state"] in {"queued", "running"}, live.story(DAG, run_id)
    found = [one for one in live.api.tasks(DAG, run_id) if one["task_id"] == task_id]
    return next((one for one in found if one["state"] == state), None)


def kill_worker(live: Live, run_id: str, task_id: str) -> None:
    """Kill the worker that runs a task."""

    def look() -> psutil.Process | None:
        task = task_at(live, run_id, task_id, "running")
        return live.workers().get(task["id"]) if task else None

    wait_for(look, patience_s=PATIENCE_S, what=f"a worker in {task_id}", every_s=0.1).kill()
    log.info("killed the worker of %s", task_id)


def kill_training(live: Live, run_id: str, task_id: str) -> None:
    """Kill the processes of the job that a task waits for."""
    wait_for(
        lambda: task_at(live, run_id, task_id, "deferred"), patience_s=PATIENCE_S, what=f"{task_id} to wait for its job"
    )
    module = f"searchloom.training.{task_id.removeprefix('train_')}"

    def look() -> list[psutil.Process] | None:
        return [
            one for one in psutil.process_iter() if module in _told(one) and str(live.settings.state) in _told(one)
        ] or None

    for process in wait_for(look, patience_s=120, what=f"the process of {task_id}"):
        process.kill()
    log.info("killed the training of %s", task_id)


def kill_part(live: Live, run_id: str, task_id: str, part: str, state: str = "running") -> None:
    """Kill a part of the stack while a task is in a state."""
    wait_for(lambda: task_at(live, run_id, task_id, state), patience_s=PATIENCE_S, what=f"{task_id} to be {state}")
    live.kill(part)
    log.info("killed %s in %s", part, task_id)
    live.up()


def test_killed_in_every_stage_it_ends_in_one_release_with_its_services_and_nothing_else(
    live: Live, released: Released
) -> None:
    run_id = live.start(DAG, corpus=released.corpus, **TIMES)
    kill_worker(live, run_id, "collect")
    kill_training(live, run_id, "train_embedding")
    kill_part(live, run_id, "train_reranker", "localcloud", state="deferred")
    kill_part(live, run_id, "train_reranker", "airflow-triggerer", state="deferred")
    kill_worker(live, run_id, "judge")
    kill_part(live, run_id, "deploy", "airflow-scheduler")
    state = live.ended(DAG, run_id, patience_s=PATIENCE_S)
    assert state == "success", live.story(DAG, run_id)
    serving = registry.current(released.oss, released.corpus)
    assert serving is not None
    assert (serving.number, serving.gate and serving.gate.verdict) == (2, "better")
    assert registry.numbers(released.oss, released.corpus) == [1, 2]
    assert services_of(live) == {service_name(one) for one in serving.services}
    assert indices_of(live.settings, released.corpus) == {index_name(released.corpus, one) for one in (1, 2)}
    jobs = jobs_of(live)
    assert all(job.finished for job in jobs), jobs
    assert sum(job.succeeded for job in jobs) == 2, jobs


def test_what_is_no_better_is_refused_and_leaves_nothing_behind(live: Live, released: Released) -> None:
    before = registry.current(released.oss, released.corpus)
    services, indices = services_of(live), indices_of(live.settings, released.corpus)
    run_id = live.start(DAG, corpus=released.corpus, embedding_minutes=0.02, reranker_minutes=0, seed=21)
    assert live.ended(DAG, run_id, patience_s=PATIENCE_S) == "success", live.story(DAG, run_id)
    states = {task["task_id"]: task["state"] for task in live.api.tasks(DAG, run_id)}
    assert (states["deploy"], states["promote"], states["clear_up"]) == ("skipped", "skipped", "success")
    assert live.api.result(DAG, run_id, "clear_up")["verdict"] != "better"
    assert registry.current(released.oss, released.corpus) == before
    assert (services_of(live), indices_of(live.settings, released.corpus)) == (services, indices)


def test_the_former_release_is_back_with_one_run(live: Live, released: Released) -> None:
    run_id = live.start("rollback_release", corpus=released.corpus)
    assert live.ended("rollback_release", run_id, patience_s=PATIENCE_S) == "success", live.story(
        "rollback_release", run_id
    )
    serving = registry.current(released.oss, released.corpus)
    assert serving is not None
    assert serving.embedding.version == f"noisy-{released.corpus}"


def services_of(live: Live) -> set[str]:
    """Names of the model services that there are."""
    return {one.name for one in PaiEas(live.settings.acs).list() if one.name.startswith("sl_")}


def indices_of(settings: Settings, corpus: str) -> set[str]:
    """Generations of a corpus that either engine has."""
    found = set()
    for name in ENGINES:
        with closing(loader(settings, name)) as side:
            found |= {index for number in GENERATIONS if side.meta(index := index_name(corpus, number)) is not None}
    return found


def jobs_of(live: Live) -> list[Job]:
    """The training jobs that there are."""
    return list(PaiDlc(live.settings.acs, workspace_id=live.settings.pai.workspace_id).list(name=DAG))


def _told(process: psutil.Process) -> str:
    """Command and folder of a process: whose it is."""
    try:
        return " ".join([*process.cmdline(), process.cwd()])
    except psutil.Error:
        return ""
