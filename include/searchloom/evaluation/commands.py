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

app = typer.Typer(invoke_without_command=True)


@app.callback()
def evaluate(
    context: typer.Context,
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    split: Annotated[str, typer.Option(help="Which judgments: train, dev or test.")] = "test",
    engine: Annotated[str | None, typer.Option(help="opensearch or elasticsearch; both when left out.")] = None,
    mode: Annotated[str | None, typer.Option(help="bm25, vector, hybrid or reranked; all when left out.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose documents are searched.")] = "default",
    trec_run: Annotated[Path | None, typer.Option(help="Write the rankings to this file, in TREC format.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge the live release through the query API: nDCG@10, MRR@10, Recall@100 by engine and mode.

    Gains over BM25 come with a 95 % interval (paired bootstrap over the queries); figures named unseen are over the
    queries none of whose documents a model of the release was told of in training. Mode hybrid is without the
    release's reranker, mode reranked with it. With several engines or modes, ``--trec-run runs/x.run`` writes
    ``runs/x-ENGINE-MODE.run`` for each.
    """
    if context.invoked_subcommand:
        return
    from searchloom.cloud.oss import Oss
    from searchloom.evaluation import collection as collections
    from searchloom.evaluation import live
    from searchloom.evaluation.evaluate import MODES, Judged, Mode
    from searchloom.evaluation.evaluate import evaluate as judge
    from searchloom.evaluation.runs import write_trec_run
    from searchloom.evaluation.through_api import searcher
    from searchloom.release import registry

    engines: list[EngineName] = [name for name in ENGINES if engine in {None, name}]
    if not engines:
        raise UsageError(f"there is no engine {engine!r}; take one of: {', '.join(ENGINES)}")
    if mode not in {None, *MODES}:
        raise UsageError(f"there is no mode {mode!r}; take one of: {', '.join(MODES)}")
    if trec_run and not trec_run.parent.is_dir():
        raise UsageError(f"there is no folder {str(trec_run.parent)!r} to write {trec_run.name!r} to; create it first")
    settings = configuration.load()
    oss = Oss(settings.oss)
    collection = collections.read(oss, corpus, split)
    release = registry.current(oss, corpus)
    if release is None:
        raise UsageError(f"corpus {corpus!r} has no live release; run `searchloom run ingest_corpus --corpus {corpus}`")
    modes = [name for name in live.modes(release) if mode in {None, name}]
    if not modes:
        raise UsageError(f"the live release of corpus {corpus!r} has no reranker; take mode hybrid")
    unseen = collections.unseen(collection, live.trained_documents(oss, release))
    with progress(Console(stderr=True), quiet=as_json) as bar:
        task = bar.add_task("queries", total=len(collection.queries) * len(engines) * len(modes))
        results = judge(
            collection,
            searcher(settings, corpus=corpus, tenant=tenant),
            engines=engines,
            modes=modes,
            unseen=unseen,
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


@app.command("live")
def live_(
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    days: Annotated[int, typer.Option(help="Newest days of the event log that hold any.")] = 28,
    experiment: Annotated[str | None, typer.Option(help="Its name; the one of the settings when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare the arms of an experiment by what people did with what they were shown.

    Of each arm the share of lists in which something was chosen, with a 95 % interval over people, and its difference
    to the first arm; whether people were dealt out as the settings say; and how many more are needed to tell.
    Of an interleaved experiment: how many searches each order won, whether one of them is the winner, and how many
    more searches it takes to tell.
    """
    from searchloom.cloud.oss import Oss
    from searchloom.evaluation import arms

    if days < 1:
        raise UsageError(f"--days {days} holds no event; give 1 or more")
    settings = configuration.load()
    chosen = settings.experiment if experiment is None else settings.experiment.model_copy(update={"name": experiment})
    report = arms.evaluate(Oss(settings.oss), corpus, chosen, days=days)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        arms.show(report, Console())


def table(summary: dict[EngineName, dict[Any, dict[str, Any]]], *, title: str) -> Table:
    """The summary as people read it."""
    shown = Table(title=title)
    headings = ["engine", "mode", "nDCG@10", "MRR@10", "Recall@100", "nDCG@10 over BM25 (95 %)", "queries"]
    told = any(_told(figures) for by_mode in summary.values() for figures in by_mode.values())
    for heading in [*headings, "nDCG@10, unseen documents"] if told else headings:
        shown.add_column(heading, justify="left" if heading in {"engine", "mode"} else "right")
    for name, by_mode in summary.items():
        for how, figures in by_mode.items():
            gain = figures.get("ndcg@10_over_bm25")
            over = f"{gain['mean']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain and how != "bm25" else ""
            measures = (f"{figures[measure]:.3f}" for measure in ("ndcg@10", "mrr@10", "recall@100"))
            unseen = f"{figures['ndcg@10_unseen']:.3f} ({figures['queries_unseen']})" if _told(figures) else ""
            shown.add_row(name, how, *measures, over, str(figures["queries"]), *([unseen] if told else []))
    return shown


def _told(figures: dict[str, Any]) -> bool:
    """Whether some of the queries, and not all, are of documents that no model was told of."""
    return bool(0 < figures.get("queries_unseen", 0) < figures["queries"])


def progress(console: Console, *, quiet: bool = False) -> Progress:
    """A bar that counts queries."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=quiet)
