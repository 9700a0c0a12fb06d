"""``searchloom bench``: the benchmarks of ``benchmarks/``, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from searchloom.errors import UsageError
from searchloom.settings import HOME

app = typer.Typer(help="Measure, each time beside a peer in the same run.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@app.command()
def query(
    corpus: Annotated[str, typer.Option(help="Name of the corpus; it must have judgments.")] = "default",
    rate: Annotated[float, typer.Option(min=0.1, help="Searches a second.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long.")] = 20.0,
    alone_rate: Annotated[float, typer.Option(min=0.1, help="Searches a second of the module alone.")] = 30.0,
    rerank: Annotated[bool, typer.Option("--rerank", help="With the release's reranker.")] = False,
    as_json: AsJson = False,
) -> None:
    """Searches under open load through the query module, beside the raw engine query."""
    words = ["--corpus", corpus, "--rate", str(rate), "--seconds", str(seconds), "--alone-rate", str(alone_rate)]
    run("query", *words, *(["--rerank"] if rerank else []), *(["--json"] if as_json else []))


@app.command()
def chat(
    corpus: Annotated[str, typer.Option(help="Name of the corpus; it must have judgments.")] = "default",
    questions: Annotated[int, typer.Option(min=1, help="At most so many, the same ones every time.")] = 50,
    label: Annotated[str, typer.Option(help="What serves now; the figures of other labels stay.")] = "base",
    as_json: AsJson = False,
) -> None:
    """Answers to judged questions: whether citations exist, and whether they are of the judged documents."""
    words = ["--corpus", corpus, "--questions", str(questions), "--label", label]
    run("chat", *words, *(["--json"] if as_json else []))


@app.command()
def events(
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 2000,
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Events under open load: how many are accepted, how fast, and whether each is in the log once."""
    run("events", "--rate", str(rate), "--seconds", str(seconds), *(["--json"] if as_json else []))


@app.command()
def faults(
    corpus: Annotated[str, typer.Option(help="Name of the corpus; it must have judgments.")] = "default",
    rate: Annotated[float, typer.Option(min=1, help="Searches a second.")] = 15,
    as_json: AsJson = False,
) -> None:
    """Searches under open load while parts of the local stack are killed, or stand still for ten seconds."""
    run("faults", "--corpus", corpus, "--rate", str(rate), *(["--json"] if as_json else []))


@app.command()
def personal(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds items.jsonl and events.jsonl.")],
    persons: Annotated[int, typer.Option(min=10, help="Judge so many persons at most, drawn with a seed.")] = 2000,
    without_airec: Annotated[bool, typer.Option("--without-airec", help="Leave the local AIRec out.")] = False,
    as_json: AsJson = False,
) -> None:
    """The personal order on a behaviour set, beside popularity, item-kNN, implicit ALS and BPR, and EASE.

    items.jsonl: item_id, title, text, category, tags, year. events.jsonl: user_id, item_id, type, value, time. Only the
    ids are needed.
    """
    words = [str(folder.resolve()), "--persons", str(persons)]
    run("personal", *words, *(["--without-airec"] if without_airec else []), *(["--json"] if as_json else []))


def run(name: str, *words: str) -> None:
    """Run ``benchmarks/{name}.py`` as a module of the checkout; exits with its status.

    Raises ``UsageError`` where it is not there.
    """
    script = HOME / "benchmarks" / f"{name}.py"
    if not script.is_file():
        raise UsageError(f"{script} is not there; benchmarks run from a checkout of the project")
    sys.stdout.flush()
    status = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words], check=False, cwd=HOME).returncode
    if status:
        raise typer.Exit(status)
