"""``searchloom up | down | status | doctor``: the local stack from the command line."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from searchloom import settings
from searchloom.stack import engine_homes, lifecycle, prerequisites

Without = Annotated[
    str, typer.Option(help="Parts to leave out, with commas: airflow, embedding, query, elasticsearch, ...")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def up(without: Without = "") -> None:
    """Start the local stack and wait until it is healthy; what runs already is left alone."""
    console = Console()
    current = settings.load()
    engine_homes.ensure(current, console)
    names = frozenset(name.strip() for name in without.split(",") if name.strip())
    _print(console, lifecycle.up(current, without=names, say=_teller(console)))


def down() -> None:
    """Stop the local stack; data stays."""
    lifecycle.down(settings.load(), say=_teller(Console()))


def status(*, as_json: Json = False) -> None:
    """Show every part of the local stack: name, state, pid, url, version."""
    found = lifecycle.status(settings.load())
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(part) for part in found], indent=2))
    else:
        _print(Console(), found)


def doctor() -> None:
    """Check what the local stack needs of this machine; exit 2 if something is missing."""
    console = Console()
    findings = prerequisites.check(settings.load())
    for finding in findings:
        mark = "[green]ok[/]" if finding.good else "[red]missing[/]"
        console.print(f"{mark:>20}  {finding.sentence}", highlight=False, soft_wrap=True)
    if not all(finding.good for finding in findings):
        raise typer.Exit(2)


def _teller(console: Console) -> Callable[[str, str], None]:
    began, lock = time.monotonic(), threading.Lock()

    def say(name: str, what: str) -> None:
        with lock:
            console.print(
                f"{time.monotonic() - began:5.0f} s  {name:<22} {what}", highlight=False, markup=False, soft_wrap=True
            )

    return say


def _print(console: Console, found: list[lifecycle.Status]) -> None:
    table = Table(box=None)
    for column in ("name", "state", "pid", "url", "version"):
        table.add_column(column, no_wrap=True)
    for part in found:
        table.add_row(part.name, part.state, str(part.pid or ""), part.url, part.version)
    console.print(table)
