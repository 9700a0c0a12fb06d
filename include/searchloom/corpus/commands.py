"""``searchloom corpus``: put documents into OSS, take them out, see which of them could not be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from searchloom import settings as configuration

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

app = typer.Typer(
    help="Put documents into the corpus, take them out, see what could not be read.", no_args_is_help=True
)

Corpus = Annotated[str, typer.Option(help="Name of the corpus.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def put(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    corpus: Corpus = "default",
    tenant: Annotated[str, typer.Option(help="Whose documents they are.")] = "default",
    group: Annotated[list[str] | None, typer.Option(help="Who of the tenant may read them; all when left out.")] = None,
) -> None:
    """Upload files and folders, as they are."""
    from searchloom.corpus import upload

    oss = _bucket(corpus)
    keys = upload.put(oss, corpus, paths, tenant=tenant, groups=tuple(group or ()))
    _say(f"{len(keys)} files uploaded; `searchloom run ingest_corpus --corpus {corpus}` takes them up")


@app.command("import-beir")
def import_beir(
    folder: Annotated[Path, typer.Argument(help="corpus.jsonl[.gz], queries.jsonl[.gz], qrels/SPLIT.tsv[.gz].")],
    corpus: Corpus = "default",
) -> None:
    """Import a judged collection in the layout of BEIR: its documents, its queries, its judgments."""
    from searchloom.corpus import upload

    oss = _bucket(corpus)
    counts = upload.import_beir(oss, corpus, folder)
    listed = ", ".join(f"{count:,} {what}" for what, count in counts.items() if what in {"documents", "queries"})
    judged = ", ".join(f"{count:,} {what}" for what, count in counts.items() if what not in {"documents", "queries"})
    _say(f"{listed}; judgments: {judged}; `searchloom run ingest_corpus --corpus {corpus}` takes the documents up")


@app.command()
def remove(
    keys: Annotated[list[str], typer.Argument(help="Keys of files; one that ends in / means all below it.")],
    corpus: Corpus = "default",
) -> None:
    """Delete documents from the corpus; the next ingest run takes them out of both engines."""
    from searchloom.corpus import upload

    removed = upload.remove(_bucket(corpus), corpus, keys)
    _say(
        f"{len(removed)} files deleted; `searchloom run ingest_corpus --corpus {corpus}` takes them out of the engines"
    )


@app.command()
def report(corpus: Corpus = "default", as_json: Json = False) -> None:
    """Show what could not be read, each with its reason."""
    from searchloom.corpus import manifest

    rows = manifest.quarantined(_bucket(corpus), corpus)
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    if not rows:
        _say(f"corpus {corpus!r}: everything could be read")
        return
    table = Table(
        "key", "record", "reason", title=f"corpus {corpus!r}: {len(rows)} could not be read", title_justify="left"
    )
    for row in rows:
        table.add_row(row["key"], row["source_id"] if row["source_id"] != row["key"] else "", row["reason"])
    Console().print(table, markup=False)


def _bucket(corpus: str) -> Oss:
    from searchloom.cloud.oss import Oss

    configuration.check_corpus(corpus)
    oss = Oss(configuration.load().oss)
    oss.ensure_bucket()
    return oss


def _say(sentence: str) -> None:
    Console(highlight=False, soft_wrap=True).print(sentence, markup=False)
