"""``searchloom evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from searchloom import settings as configuration
from searchloom.errors import UsageError
from searchloom.settings import ENGINES, EngineName


def evaluate(
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    split: Annotated[str, typer.Option(help="Which judgments: train, dev or test.")] = "test",
    engine: Annotated[str | None, typer.Option(help="opensearch or elasticsearch; both when left out.")] = None,
    mode: Annotated[str | None, typer.Option(help="bm25, vector or hybrid; all when left out.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose documents are searched.")] = "default",
    trec_run: Annotated[Path | None, typer.Option(help="Write the rankings to this file, in TREC format.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge the live release through the query API: nDCG@10, MRR@10, Recall@100 by engine and mode.

    Gains over BM25 come with a 95 % interval (paired bootstrap over the queries). With several engines or modes,
    ``--trec-run runs/x.run`` writes ``runs/x-ENGINE-MODE.run`` for each.
    """
    from searchloom.cloud.oss import Oss
    from searchloom.evaluation import collection as collections
    from searchloom.evaluation.evaluate import MODES, Judged, Mode
    from searchloom.evaluation.evaluate import evaluate as judge
    from searchloom.evaluation.runs import write_trec_run
    from searchloom.evaluation.through_api import searcher

    engines: list[EngineName] = [name for name in ENGINES if engine in {None, name}]
    modes: list[Mode] = [name for name in MODES if mode in {None, name}]
    if not engines:
        raise UsageError(f"there is no engine {engine!r}; take one of: {', '.join(ENGINES)}")
    if not modes:
        raise UsageError(f"there is no mode {mode!r}; take one of: {', '.join(MODES)}")
    if trec_run and not trec_run.parent.is_dir():
        raise UsageError(f"there is no folder {str(trec_run.parent)!r} to write {trec_run.name!r} to; create it first")
    settings = configuration.load()
    collection = collections.read(Oss(settings.oss), corpus, split)
    with progress(Console(stderr=True), quiet=as_json) as bar:
        task = bar.add_task("queries", total=len(collection.queries) * len(engines) * len(modes))
        results = judge(
            collection,
            searcher(settings, corpus=corpus, tenant=tenant),
            engines=engines,
            modes=modes,
            done=lambda: bar.advance(task),
        )
    rankings: dict[tuple[EngineName, Mode], Judged] = {(e, m): results[e][m] for e in engines for m in modes}
    for (name, how), judged in rankings.items():
        if trec_run:
            alone = len(rankings) == 1
            path = trec_run if alone else trec_run.with_name(f"{trec_run.stem}-{name}-{how}{trec_run.suffix}")
            write_trec_run(path, judged.answers, tag=f"searchloom-{name}-{how}")
    summary = {name: {how: judged.summary() for how, judged in by_mode.items()} for name, by_mode in results.items()}
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    else:
        Console().print(table(summary, title=f"{corpus}, {split} queries"))


def table(summary: dict[EngineName, dict[Any, dict[str, Any]]], *, title: str) -> Table:
    """The summary as people read it."""
    shown = Table(title=title)
    for heading in ("engine", "mode", "nDCG@10", "MRR@10", "Recall@100", "nDCG@10 over BM25 (95 %)", "queries"):
        shown.add_column(heading, justify="left" if heading in {"engine", "mode"} else "right")
    for name, by_mode in summary.items():
        for how, figures in by_mode.items():
            gain = figures.get("ndcg@10_over_bm25")
            over = f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain and how != "bm25" else ""
            measures = (f"{figures[measure]:.3f}" for measure in ("ndcg@10", "mrr@10", "recall@100"))
            shown.add_row(name, how, *measures, over, str(figures["queries"]))
    return shown


def progress(console: Console, *, quiet: bool = False) -> Progress:
    """A bar that counts queries."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=quiet)
