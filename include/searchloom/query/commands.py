"""``searchloom search`` and ``searchloom token``."""

from __future__ import annotations

import html
import json
import re
from typing import Annotated, Any, TypeVar, get_args

import typer
from rich.console import Console
from rich.text import Text

from searchloom import settings as configuration
from searchloom.errors import UsageError
from searchloom.query import tokens
from searchloom.query.client import SearchClient
from searchloom.query.schemas import MAX_K, MAX_QUERY, Mode
from searchloom.settings import ENGINES

Name = TypeVar("Name", bound=str)
_EM = re.compile(r"<em>(.*?)</em>", re.DOTALL)

User = Annotated[str, typer.Option(help="Who asks.")]
Tenant = Annotated[str, typer.Option(help="Whose documents may be seen.")]
Group = Annotated[list[str] | None, typer.Option(help="A group of the user; may be given several times.")]


def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words.")],
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    user: User = "me",
    tenant: Tenant = "default",
    group: Group = None,
    engine: Annotated[str | None, typer.Option(help="opensearch or elasticsearch; the service's own if left out.")] = (
        None
    ),
    mode: Annotated[str, typer.Option(help="bm25, vector or hybrid.")] = "hybrid",
    k: Annotated[int, typer.Option(help="Documents to show, 1 to 100.")] = 10,
    no_rerank: Annotated[bool, typer.Option("--no-rerank", help="Leave the release's reranker out.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each part said, and the times.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Search the live release of a corpus, through the query service."""
    if not query.strip() or len(query) > MAX_QUERY:
        raise UsageError(f"the query has {len(query)} characters; give 1 to {MAX_QUERY}, not only spaces")
    if not 1 <= k <= MAX_K:
        raise UsageError(f"--k {k} is not possible; give a number from 1 to {MAX_K}")
    how = _one_of(mode, get_args(Mode), "mode")
    which = _one_of(engine, ENGINES, "engine") if engine else None
    settings = configuration.load()
    token = tokens.sign(settings, user=user, tenant=tenant, groups=group or ())
    with SearchClient(settings.query.url, token) as client:
        answer = client.search(query, corpus=corpus, mode=how, engine=which, k=k, explain=explain, rerank=not no_rerank)
    if as_json:
        typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _show(answer, Console())


def token(user: User = "me", tenant: Tenant = "default", group: Group = None) -> None:
    """Print a signed token of the local profile, for curl; it holds for an hour."""
    typer.echo(tokens.sign(configuration.load(), user=user, tenant=tenant, groups=group or ()))


def _one_of(value: str, names: tuple[Name, ...], what: str) -> Name:
    for name in names:
        if name == value:
            return name
    raise UsageError(f"there is no {what} {value!r}; take one of: {', '.join(names)}")


def _show(answer: dict[str, Any], console: Console) -> None:
    for place, result in enumerate(answer["results"], start=1):
        heading = Text.assemble((f"{place:>2}. ", "dim"), (result["title"] or result["source_id"], "bold"))
        if result["section"]:
            heading.append(f"  {result['section']}", style="cyan")
        heading.append(f"  {result['score']:.3f}", style="dim")
        console.print(heading)
        console.print(_highlighted(result["passage"]), soft_wrap=False)
        if result["parts"]:
            console.print(Text(_why(result["parts"]), style="dim"))
        console.print()
    if answer["query"]["corrected"]:
        console.print(Text(f"searched for: {answer['query']['corrected']}", style="dim"))
    left_out = f", without {' and '.join(answer['degraded'])}" if answer["degraded"] else ""
    found = len(answer["results"]) or "no"
    console.print(
        Text(
            f"{found} documents of {answer['corpus']}, release {answer['release']}, {answer['mode']} on "
            f"{answer['engine']}{left_out}, {answer['took_ms']:.0f} ms",
            style="dim",
        )
    )
    if answer["timings"]:
        console.print(Text(", ".join(f"{step} {ms:.1f} ms" for step, ms in answer["timings"].items()), style="dim"))


def _highlighted(passage: str) -> Text:
    """The passage as the terminal shows it: the matches bold, the escapes undone."""
    text = Text("    ")
    at = 0
    for match in _EM.finditer(passage):
        text.append(html.unescape(passage[at : match.start()]))
        text.append(html.unescape(match[1]), style="bold yellow")
        at = match.end()
    text.append(html.unescape(passage[at:]))
    return text


def _why(parts: dict[str, Any]) -> str:
    said = (
        f"{part} #{score['rank']}: {score['score']:.3f}, {score['share']:.0%} of the score"
        for part, score in parts.items()
        if score
    )
    return "    " + "; ".join(said)
