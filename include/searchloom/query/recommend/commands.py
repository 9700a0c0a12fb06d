"""``searchloom recommend``."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.text import Text

from searchloom import settings as configuration
from searchloom.errors import UsageError
from searchloom.query import tokens
from searchloom.query.channels_client import ChannelsClient
from searchloom.query.commands import Group, Tenant
from searchloom.query.recommend.schemas import MAX_RECOMMENDED, Scene


def recommend(
    user: Annotated[str, typer.Argument(help="Whom to recommend documents to.")],
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = "default",
    scene: Annotated[str, typer.Option(help="home, similar (next to --item) or rag_context.")] = "home",
    item: Annotated[str | None, typer.Option(help="doc_id of the document to stand next to.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Id of the conversation, for rag_context.")] = None,
    tenant: Tenant = "default",
    group: Group = None,
    k: Annotated[int, typer.Option(help=f"Documents to show, 1 to {MAX_RECOMMENDED}.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Recommend documents to a user, next to a document, or in a conversation."""
    if scene not in get_args(Scene):
        raise UsageError(f"there is no scene {scene!r}; take one of: {', '.join(get_args(Scene))}")
    settings = configuration.load()
    token = tokens.sign(settings, user=user, tenant=tenant, groups=group or ())
    with ChannelsClient(settings.query.url, token) as client:
        answer = client.recommend(corpus=corpus, scene=scene, k=k, item=item, conversation_id=conversation)
    if as_json:
        typer.echo(json.dumps(answer, indent=1, ensure_ascii=False))
    else:
        _show(answer, Console(highlight=False))


def _show(answer: dict[str, Any], console: Console) -> None:
    for place, one in enumerate(answer["results"], start=1):
        console.print(Text.assemble((f"{place:>2}. ", "dim"), (one["title"] or one["doc_id"], "bold")))
        console.print(Text(f"    {' '.join(one['text'].split())[:160]}"))
        console.print(Text(f"    {one['reason']} ({one['source']})", style="dim"))
    left_out = f", without {' and '.join(answer['degraded'])}" if answer["degraded"] else ""
    found = len(answer["results"]) or "no"
    note = f"{found} documents of {answer['corpus']}, release {answer['release']}, scene {answer['scene']}{left_out}"
    console.print(Text(note, style="dim"))
