"""``searchloom airec``: what became of the last sync, and sending again what could not be sent."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from searchloom import settings as configuration
from searchloom.errors import NotFound, UsageError

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

app = typer.Typer(help="What AIRec is told of documents, people and behaviour.", no_args_is_help=True)

Corpus = Annotated[str, typer.Option(help="Name of the corpus.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def report(corpus: Corpus = "default", as_json: Json = False) -> None:
    """Show the balance of the last sync, and what waits among the dead letters."""
    from searchloom.behaviour import dead_letters
    from searchloom.behaviour.sync import TABLES

    oss, instance = _bucket(corpus)
    last = max(oss.list(f"reports/{corpus}/airec/"), key=lambda info: info.last_modified, default=None)
    if last is None:
        raise NotFound(f"corpus {corpus!r} was never sent to AIRec; run: searchloom run sync_airec --corpus {corpus}")
    said = oss.get_json(last.key)
    letters = {
        table: [one.reason for _, refused in dead_letters.read(oss, instance, corpus, table) for one in refused]
        for table in TABLES
    }
    if as_json:
        typer.echo(json.dumps(said | {"dead": {table: len(found) for table, found in letters.items()}}, indent=1))
        return
    _print(said)
    for table, reasons in letters.items():
        if reasons:
            typer.echo(f"dead letters of {table}: {len(reasons):,}, the first because {reasons[0]}")


@app.command()
def replay(corpus: Corpus = "default", as_json: Json = False) -> None:
    """Send the dead letters again, with all that is new; what is refused again stays one."""
    from searchloom.behaviour.sync import sync
    from searchloom.cloud.airec import Airec

    oss, _ = _bucket(corpus)
    settings = configuration.load()
    airec, run_id = Airec(settings.acs, settings.airec), f"replay-{uuid.uuid4().hex[:8]}"
    said = sync(oss, airec, corpus=corpus, run_id=run_id, replay=True, settings=settings)
    if as_json:
        typer.echo(json.dumps(said, indent=1))
    else:
        _print(said)


def _print(said: dict[str, Any]) -> None:
    typer.echo(f"corpus {said['corpus']}, instance {said['instance']}, run {said['run_id']}")
    for line in [*said["lines"], *filter(None, [said["red"]])]:
        typer.echo(line)


def _bucket(corpus: str) -> tuple[Oss, str]:
    from searchloom.cloud.oss import Oss

    configuration.check_corpus(corpus)
    settings = configuration.load()
    if not settings.airec.instance_id:
        raise UsageError("airec.instance_id is empty; set the instance's id (airec-cn-...)")
    return Oss(settings.oss), settings.airec.instance_id
