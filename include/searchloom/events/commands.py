"""``searchloom events``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from searchloom import settings as configuration
from searchloom.errors import Terminal, UsageError

app = typer.Typer(help="What people did with documents.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """Keep ``import`` a command of its own while it is the only one."""


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help=".jsonl, .jsonl.gz or .parquet files; a row is an event.")],
    corpus: Annotated[str, typer.Option(help="Of rows that name no corpus.")] = "default",
    tenant: Annotated[str, typer.Option(help="Of rows that name no tenant.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Bring behaviour events (event_id, time, user_id, type, item_id, ...) into the event log; safe to repeat."""
    from searchloom.cloud.oss import Oss
    from searchloom.events.importing import import_files

    for path in files:
        if not path.is_file():
            raise UsageError(f"there is no file {path}; give the files that hold events")
    oss = Oss(configuration.load().oss)
    oss.ensure_bucket()
    report = import_files(files, oss.put, corpus=corpus, tenant=tenant)
    if as_json:
        told = {"accepted": report.accepted, "refused": report.refused, "objects": report.objects}
        typer.echo(json.dumps(told | {"reasons": report.reasons}, ensure_ascii=False))
    else:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for reason in report.reasons:
            console.print(f"left out: {reason}", markup=False)
        typer.echo(f"{report.accepted:,} events are in the log, {report.refused:,} rows were left out")
    if not report.accepted:
        raise Terminal("no row was an event; each needs at least time, user_id and item_id")
