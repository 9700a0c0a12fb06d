"""``searchloom chat``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from searchloom import settings as configuration
from searchloom.errors import UsageError
from searchloom.query import tokens
from searchloom.query.channels_client import ChannelsClient
from searchloom.query.commands import Group, Tenant, User
from searchloom.query.schemas import MAX_QUERY


def chat(
    question: Annotated[str, typer.Argument(help="The question, or what follows one.")],
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    user: User = "me",
    tenant: Tenant = "default",
    group: Group = None,
    conversation: Annotated[str | None, typer.Option(help="Id of a conversation, to go on with it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
) -> None:
    """Ask a question; the answer comes from the documents, with citations that were checked."""
    if not question.strip() or len(question) > MAX_QUERY:
        raise UsageError(f"the question has {len(question)} characters; give 1 to {MAX_QUERY}, not only spaces")
    settings = configuration.load()
    token = tokens.sign(settings, user=user, tenant=tenant, groups=group or ())
    console = Console(highlight=False)
    told: dict[str, Any] = {}
    with ChannelsClient(settings.query.url, token) as client:
        for name, event in client.chat(question, corpus=corpus, conversation_id=conversation):
            told |= event if name != "delta" else {}
            if name == "delta" and not as_json:
                console.print(Text(event["text"]), end="")
    if as_json:
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        _show_sources(told, console)


def _show_sources(told: dict[str, Any], console: Console) -> None:
    console.print("\n")
    supported: dict[int, bool] = {}
    for citation in told["citations"]:
        supported[citation["number"]] = supported.get(citation["number"], False) or citation["supported"]
    for passage in told["passages"]:
        if (number := passage["number"]) in supported:
            line = Text.assemble((f"[{number}] ", "bold"), passage["title"] or passage["doc_id"])
            if passage["section"]:
                line.append(f"  {passage['section']}", style="cyan")
            if not supported[number]:
                line.append("  (does not hold what it is cited for)", style="yellow")
            console.print(line)
    if told["unsupported"]:
        said = [told["answer"][span["start"] : span["end"]] for span in told["unsupported"]]
        console.print(Text(f"No passage holds: {' '.join(said)}", style="yellow"))
    left_out = f", without {' and '.join(told['degraded'])}" if told["degraded"] else ""
    note = f"conversation {told['conversation_id']}, release {told['release']}{left_out}"
    console.print(Text(note, style="dim"))
