"""``searchloom demo``: everything on one machine, from documents to a judged search page."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer
from rich.console import Console

from searchloom import settings as configuration
from searchloom.errors import Terminal
from searchloom.settings import ENGINES, HOME, Settings

CORPUS = "default"
REPORT = HOME / "demo-report.json"
_TRAINED = f"runs/demo/{CORPUS}/trained.json"
_BRISK_S = 420.0
"""A demo whose search is up and judged later than that is on a busy machine, and trains no reranker: all of it is to
take twenty minutes at most."""


def demo(
    since: Annotated[
        float | None, typer.Option(hidden=True, help="When the set-up began, in seconds since the epoch.")
    ] = None,
    train: Annotated[bool, typer.Option(help="Go on to train own models, and have them judged.")] = True,
) -> None:
    """Start the stack, bring in a real corpus, make it searchable, train own models on it; everything goes on serving.

    The corpus is the API reference of the installed Python packages. A second demo does only what changed.
    """
    from searchloom.demo.report import Report, render

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 110  # a log file is wide enough for the tables
    report = Report(CORPUS)
    if since:
        report.seconds["set-up"] = round(time.time() - since, 1)
    with report.part("start the stack", console):
        settings = _start(console)
    with report.part("collect the corpus", console):
        _collect(settings, report, console)
    report.work = _run(settings, "ingest_corpus", report, console)
    report.urls = {
        "search page": f"{settings.query.url}/",
        "Airflow": settings.airflow.url,
        "release board": f"{settings.airflow.url}/plugin/releases",
    }
    console.print(f"\n[bold green]Search is up:[/] {report.urls['search page']}\n")
    if train:
        console.print("Own models are next; who only wants to search can leave now (Ctrl-C), everything serves.\n")
        _better(settings, report, console)
    else:
        with report.part("judge the search", console):
            report.quality_before = report.quality = _judge(settings, console)
    _count(settings, report)
    REPORT.write_text(json.dumps(report.as_json(), indent=1) + "\n", encoding="utf-8")
    console.rule("[bold]report", align="left")
    console.print(render(report))
    console.print(f'\nThe same as JSON: {REPORT.name}. Try: .venv/bin/searchloom search "merge two tables on a key"')
    console.print(f"Airflow's user is {settings.airflow.username!r}, its password {_password(settings, console)}.")
    if not train:
        console.print("`make demo` without TRAIN=no trains own models, which serve if a judge finds them better.")
    console.print("Everything goes on serving; `make down` stops it.")


def _password(settings: Settings, console: Console) -> str:
    """The password on a terminal, where a person reads it; elsewhere (a log) only where it stands."""
    if console.is_terminal:
        return settings.airflow.password.get_secret_value()
    return f"is airflow.password in {settings.state / 'endpoints.yaml'}"


def _start(console: Console) -> Settings:
    from searchloom.stack import engine_homes, lifecycle

    settings = configuration.load()
    engine_homes.ensure(settings, console)
    lifecycle.up(settings, say=lambda name, what: console.print(f"{name:<22} {what}", markup=False))
    return configuration.load()


def _collect(settings: Settings, report: Any, console: Console) -> None:
    from searchloom.cloud.oss import Oss
    from searchloom.demo.upload import ensure

    with console.status("reading the docstrings of the installed packages"):
        oss = Oss(settings.oss)
        oss.ensure_bucket()
        done = ensure(oss, CORPUS)
    report.documents["packages"] = done.packages
    report.documents["documents"] = done.documents
    report.documents["judged queries"] = done.queries
    console.print(
        f"{done.documents:,} documents of {done.packages} packages ({done.written} files uploaded), "
        f"{done.queries} judged queries"
    )


def _run(
    settings: Settings, dag: str, report: Any, console: Console, conf: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run a DAG and what its assets set off; raises ``Terminal`` for a run that failed."""
    from searchloom.orchestration.api import AirflowApi
    from searchloom.orchestration.follow import follow
    from searchloom.orchestration.progress import shown
    from searchloom.orchestration.report import sentences, summary
    from searchloom.orchestration.start import Order, start

    api = AirflowApi(settings.airflow)
    console.rule(f"[bold]run {dag}", align="left")
    before = time.monotonic()
    with shown(console) as watch:
        runs = follow(api, start(api, Order(dag, CORPUS, conf=conf)), watch)
    done = summary(api, runs)
    for line in sentences(done):
        console.print(line, markup=False)
    if done["state"] != "success":
        failed = next(run for run in runs if run.state == "failed")
        raise Terminal(
            f"{failed.dag_id} failed; its log is at {settings.airflow.url}/dags/{failed.dag_id}/runs/{failed.run_id}, "
            f"what to do in docs/runbook.md#{failed.dag_id}"
        )
    spent = {run.dag_id: round(run.seconds, 1) for run in runs}
    report.seconds |= spent
    report.seconds[f"around {dag}"] = round(max(0.0, time.monotonic() - before - sum(spent.values())), 1)
    return done


def _better(settings: Settings, report: Any, console: Console) -> None:
    """Judge the base model, train own ones, judge what serves then; what was trained on these documents stays."""
    from searchloom.cloud.oss import Oss
    from searchloom.corpus import manifest
    from searchloom.errors import ServiceNotFound

    oss = Oss(settings.oss)
    seq = manifest.read(oss, CORPUS).seq
    try:
        note = oss.get_json(_TRAINED)
    except ServiceNotFound:
        note = {}
    if note.get("seq") != seq:
        with report.part("judge the search", console):
            before = _judge(settings, console)
        trained = _run(settings, "train_models", report, console, _minutes(sum(report.seconds.values()), console))
        note = {"seq": seq, "quality_before": before, "candidate": trained["candidates"][0]}
        oss.put_json(_TRAINED, note)
    report.quality_before, report.candidate = note["quality_before"], note["candidate"]
    with report.part("judge what serves", console):
        report.quality = _judge(settings, console)


def _minutes(so_far: float, console: Console) -> dict[str, float]:
    """Less time than `searchloom run train_models` takes by itself: what is asked of a demo is that it ends soon."""
    if so_far > _BRISK_S:
        console.print("This machine is busy: no reranker is trained; `searchloom run train_models` trains both models.")
    return {"embedding_minutes": 3.0, "reranker_minutes": 0.0 if so_far > _BRISK_S else 1.0}


def _count(settings: Settings, report: Any) -> None:
    """Note what both engines hold now, asked of the engines themselves."""
    from contextlib import closing

    from searchloom.cloud.oss import Oss
    from searchloom.engines.connect import loader
    from searchloom.release import registry

    release = registry.current(Oss(settings.oss), CORPUS)
    if release is None:
        raise Terminal(f"corpus {CORPUS!r} has no release; look at load_search in {settings.airflow.url}")
    for name in ENGINES:
        with closing(loader(settings, name)) as engine:
            report.documents[f"chunks with vectors in {name}"] = engine.count(release.generation[name])
    report.documents["dimensions of a vector"] = release.embedding.dims
    report.documents["release"] = release.number


def _judge(settings: Settings, console: Console) -> dict[Any, Any]:
    """Figures of the live release, by engine and mode."""
    from searchloom.cloud.oss import Oss
    from searchloom.evaluation import collection as collections
    from searchloom.evaluation import live
    from searchloom.evaluation.commands import progress
    from searchloom.evaluation.evaluate import evaluate
    from searchloom.evaluation.through_api import searcher
    from searchloom.release import registry

    oss = Oss(settings.oss)
    collection, release = collections.read(oss, CORPUS, "test"), registry.current(oss, CORPUS)
    if release is None:
        raise Terminal(f"corpus {CORPUS!r} has no release; look at load_search in {settings.airflow.url}")
    modes = live.modes(release)
    with progress(console) as bar:
        task = bar.add_task("queries", total=len(collection.queries) * len(ENGINES) * len(modes))
        results = evaluate(
            collection,
            searcher(settings, corpus=CORPUS),
            engines=ENGINES,
            modes=modes,
            done=lambda: bar.advance(task),
        )
    return {name: {how: judged.summary() for how, judged in by.items()} for name, by in results.items()}
