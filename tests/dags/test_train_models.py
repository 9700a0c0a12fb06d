"""``train_models`` on a real Airflow: killed in every stage it ends in one release, and what lost leaves nothing."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_dlc import Job, PaiDlc
from searchloom.cloud.pai_eas import PaiEas
from searchloom.corpus.docstrings import symbols
from searchloom.embedding import model as models
from searchloom.engines.connect import loader
from searchloom.release import registry
from searchloom.release.document import Fusion, index_name
from searchloom.release.wire import service_name
from searchloom.settings import ENGINES, Settings
from tests.corpus.runs import MODEL_FOLDER
from tests.dags.live import Live
from tests.dags.victims import Victims
from tests.engine_servers import EngineServers
from tests.evaluation.released import Released

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

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


def test_killed_in_every_stage_it_ends_in_one_release_with_its_services_and_nothing_else(
    live: Live, released: Released, engine_servers: EngineServers
) -> None:
    run_id = live.start(DAG, corpus=released.corpus, **TIMES)
    victims = Victims(live, run_id, engine_servers)
    victims.worker("collect")
    victims.training("train_embedding")
    victims.engine("load", "opensearch")
    victims.part("train_reranker", "localcloud", state="deferred")
    victims.part("train_reranker", "airflow-triggerer", state="deferred")
    victims.worker("judge")
    victims.service("deploy")
    victims.part("deploy", "airflow-scheduler")
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
