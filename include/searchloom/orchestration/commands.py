"""``searchloom run``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from searchloom import settings as configuration
from searchloom.errors import Terminal, UsageError
from searchloom.orchestration import keys
from searchloom.orchestration.api import AirflowApi, Json
from searchloom.orchestration.follow import Run, follow
from searchloom.orchestration.progress import shown
from searchloom.orchestration.report import sentences, summary
from searchloom.orchestration.start import Order, start

_LOG_TAIL = 40  # lines of a failed task's log


def run(
    dag: Annotated[str, typer.Argument(help="The DAG, for example ingest_corpus.")],
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    partition: Annotated[str | None, typer.Option(help="One day, YYYY-MM-DD; left out: everything.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day of a backfill, YYYY-MM-DD.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day of a backfill, included.")] = None,
    conf: Annotated[str, typer.Option(help="More parameters of the DAG, as JSON.")] = "{}",
    follow_runs: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Wait for the run and for all that it sets off.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Run a DAG through Airflow and follow it, together with the runs that its assets set off.

    Exits 1, with the end of the failing task's log, when a run fails; tasks that Airflow retries are waited for.
    Ctrl-C stops only the following.
    """
    order = Order(dag, corpus, partition, _range(first, last), _conf(conf))
    api = AirflowApi(configuration.load().airflow)
    runs = start(api, order)
    messages = Console(stderr=as_json, highlight=False, soft_wrap=True)
    if not follow_runs:
        _print_started(api, runs, as_json=as_json)
        return
    try:
        with shown(messages) as watch:
            followed = follow(api, runs, watch)
    except KeyboardInterrupt as interrupt:
        messages.print(f"No longer following; the run goes on: {_page(api, runs[0])}")
        raise typer.Exit(130) from interrupt
    done = summary(api, followed)
    if as_json:
        typer.echo(json.dumps(done, indent=1))
    else:
        for line in sentences(done):
            messages.print(line, markup=False)
    _raise_failures(api, followed, Console(stderr=True, highlight=False, soft_wrap=True))


def _range(first: str | None, last: str | None) -> Any:
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise UsageError("a backfill wants both --from and --to; for one day write that day twice, or use --partition")
    return keys.day(first), keys.day(last)


def _conf(text: str) -> Json:
    try:
        conf = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--conf {text!r} is not JSON: {error}") from error
    if not isinstance(conf, dict):
        raise UsageError(f"--conf {text!r} is not a JSON object; write it like '{{\"reprocess\": true}}'")
    return conf


def _print_started(api: AirflowApi, runs: list[Json], *, as_json: bool) -> None:
    if as_json:
        started = [{"dag": r["dag_id"], "run": r["dag_run_id"], "partition": r["partition_key"] or ""} for r in runs]
        typer.echo(json.dumps({"state": "started", "runs": started}, indent=1))
        return
    for run in runs:
        typer.echo(f"started {_page(api, run)}")


def _page(api: AirflowApi, run: Json) -> str:
    return f"{api.url}/dags/{run['dag_id']}/runs/{run['dag_run_id']}"


def _raise_failures(api: AirflowApi, runs: list[Run], errors: Console) -> None:
    """Print the end of each failed task's log (three at most) and raise ``Terminal``, if anything failed."""
    failed = [run for run in runs if run.state == "failed"]
    if not failed:
        return
    tasks = [task for run in failed for task in run.failed_tasks]
    for task in tasks[:3]:
        errors.rule(f"{task['dag_id']}.{task['task_id']}, try {task['try_number']}")
        for line in api.log(task)[-_LOG_TAIL:]:
            errors.print(line, markup=False)
    names = ", ".join(sorted({f"{task['dag_id']}.{task['task_id']}" for task in tasks})) or failed[0].dag_id
    raise Terminal(f"{names} failed; what to do stands at the end of its log and in docs/runbook.md#{failed[0].dag_id}")
