"""``searchloom releases list|show|promote|rollback``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from searchloom import settings as configuration
from searchloom.settings import ENGINES, EngineName, Settings

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss
    from searchloom.engines.interface import Loader
    from searchloom.release.document import Release

app = typer.Typer(help="What serves now, what served before, and the way back.", no_args_is_help=True)

Corpus = Annotated[str, typer.Option(help="Name of the corpus.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_releases(corpus: Corpus = "default", as_json: AsJson = False) -> None:
    """List the releases of a corpus, the newest first; the live one is marked."""
    from searchloom.release import registry

    oss = _oss(configuration.load())
    live = registry.current(oss, corpus)
    releases = [registry.get(oss, corpus, number) for number in reversed(registry.numbers(oss, corpus))]
    if as_json:
        rows = [_as_json(one, live) for one in releases]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if not releases:
        Console().print(f"corpus {corpus!r} has no release yet; `searchloom run ingest_corpus --corpus {corpus}`")
        return
    Console().print(_table(corpus, releases, live))


@app.command()
def show(
    number: Annotated[int | None, typer.Argument(help="Which release; the live one when left out.")] = None,
    corpus: Corpus = "default",
    as_json: AsJson = False,
) -> None:
    """Show everything that a release names."""
    from searchloom.errors import NotFound
    from searchloom.release import registry

    oss = _oss(configuration.load())
    live = registry.current(oss, corpus)
    release = live if number is None else registry.get(oss, corpus, number)
    if release is None:
        raise NotFound(f"corpus {corpus!r} has no release yet; run the DAG ingest_corpus first")
    if as_json:
        typer.echo(json.dumps(_as_json(release, live), indent=1, ensure_ascii=False))
    else:
        _show(release, live)


@app.command()
def promote(
    number: Annotated[int, typer.Argument(help="Which release.")], corpus: Corpus = "default", as_json: AsJson = False
) -> None:
    """Make a release the live one, in both engines at once."""
    _promote(corpus, number, as_json=as_json)


@app.command()
def rollback(
    to: Annotated[int | None, typer.Option(help="To this release; the one before the live one when left out.")] = None,
    corpus: Corpus = "default",
    as_json: AsJson = False,
) -> None:
    """Go back to the release that served before, in both engines at once."""
    _promote(corpus, to, as_json=as_json)


def _promote(corpus: str, number: int | None, *, as_json: bool) -> None:
    from searchloom.release import registry, services

    settings = configuration.load()
    oss = _oss(settings)
    before = registry.current(oss, corpus)
    number = number or registry.before(oss, corpus)
    services.require(registry.get(oss, corpus, number), settings)
    with loaders(settings) as engines:
        release = registry.promote(oss, engines, corpus=corpus, number=number)
    if as_json:
        came_from = before.number if before else None
        typer.echo(json.dumps({"corpus": corpus, "release": release.number, "before": came_from}))
        return
    came_from_words = f", instead of {before.number}" if before and before.number != release.number else ""
    Console().print(f"corpus {corpus}: release {release.number} serves{came_from_words}")


@contextmanager
def loaders(settings: Settings) -> Iterator[dict[EngineName, Loader]]:
    """Connect the writing side of both engines."""
    from searchloom.engines.connect import loader

    with ExitStack() as stack:
        yield {name: stack.enter_context(closing(loader(settings, name))) for name in ENGINES}


def _oss(settings: Settings) -> Oss:
    from searchloom.cloud.oss import Oss

    return Oss(settings.oss)


def _as_json(release: Release, live: Release | None) -> dict[str, Any]:
    return {"live": release == live, **release.model_dump(mode="json")}


def _table(corpus: str, releases: list[Release], live: Release | None) -> Table:
    """What fits a terminal of 80 columns; ``show`` says the rest."""
    table = Table(title=f"Releases of {corpus}", title_justify="left", box=None, pad_edge=False)
    table.add_column("release", no_wrap=True)
    table.add_column("embedding", overflow="fold")
    table.add_column("reranker", overflow="fold")
    for column in ("gate", "created"):
        table.add_column(column, no_wrap=True)
    for one in releases:
        serves = one == live
        table.add_row(
            f"{one.number}, live" if serves else str(one.number),
            one.embedding.version,
            f"{one.reranker.version} x {one.reranker.weight:.2f}" if one.reranker else "-",
            one.gate.verdict if one.gate else "-",
            f"{one.created:%Y-%m-%d %H:%M}",
            style="bold green" if serves else "",
        )
    return table


def _show(release: Release, live: Release | None) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    fusion, gate, reranker = release.fusion, release.gate, release.reranker
    by_language = ", ".join(f"{code} {weight:.2f}" for code, weight in fusion.vector_weight_by_language.items())
    rows = {
        "release": f"{release.number} of {release.corpus}" + (", serves now" if release == live else ""),
        "embedding": f"{release.embedding.version}, {release.embedding.dims} dimensions",
        "its service": release.embedding.service or "the stack's own",
        "reranker": f"{reranker.version}, weight {reranker.weight:.2f}, reads {reranker.depth}" if reranker else "none",
        "its service ": reranker.service if reranker else "",
        "fusion": f"{fusion.method}, vectors {fusion.vector_weight:.2f}" + (f" ({by_language})" if by_language else ""),
        **{f"index in {engine}": index for engine, index in release.generation.items()},
        "gate": f"{gate.verdict}: {gate.summary}" if gate else "none",
        "before it": str(release.previous or "nothing"),
        "created": f"{release.created:%Y-%m-%d %H:%M} by {release.created_by}",
    }
    for name, value in rows.items():
        if value:
            grid.add_row(name, value)
    Console().print(grid)
