"""``searchloom users``: what is known of a person, and its erasure."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from searchloom import settings as configuration
from searchloom.errors import UsageError

app = typer.Typer(help="What is known of a person: told or erased.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="The person's id: the claim sub of his tokens.")]
Tenant = Annotated[str, typer.Option(help="Whose user it is.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def export(user: User, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Tell all that is known of a person: events, conversations, what the personal order makes of it, AIRec."""
    from searchloom.cloud.oss import Oss
    from searchloom.users import everywhere

    _check(user, tenant)
    settings = configuration.load()
    known = everywhere.export(Oss(settings.oss), settings, user, tenant=tenant)
    if as_json:
        typer.echo(json.dumps(known, indent=1, ensure_ascii=False))
        return
    typer.echo(f"{len(known['events']):,} events of {user} (tenant {tenant}) are in the event log")
    for event in known["events"]:
        typer.echo(f"  {event.get('time')}  {event.get('type')}  {event.get('corpus')}/{event.get('item_id')}")
    typer.echo(f"{len(known['conversations']):,} conversations are remembered on this machine")
    for one in known["conversations"]:
        for turn in one["turns"]:
            typer.echo(f"  {one['corpus']}: {turn['message']}")
    for name, person in known["stores"].items():
        typer.echo(f"{len(person['items']):,} documents are remembered by the personal model {name}")
    for one in known["airec"]:
        refused, waiting = len(one["dead_letters"]), len(one["waiting"]) + len(one["on_the_way"])
        typer.echo(
            f"AIRec's instance {one['instance']}, corpus {one['corpus']} took {len(one['events']):,} of the events"
            f"{' and a row of the person' if one['user'] else ''}; {waiting:,} rows wait, {refused:,} are dead letters"
        )
        for letter in one["dead_letters"]:
            typer.echo(f"  {letter['key']}: {letter['reason']}")
    if known["erased"] is not None:
        typer.echo("an erasure was made; what is listed here was done after it, or came late and counts for nothing")


@app.command()
def erase(user: User, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Erase a person for good: from the event log, conversations, what serves, AIRec; safe to repeat."""
    from searchloom.cloud.oss import Oss
    from searchloom.users import everywhere

    _check(user, tenant)
    settings = configuration.load()
    done = everywhere.erase(Oss(settings.oss), settings, user, tenant=tenant)
    if as_json:
        typer.echo(json.dumps(done))
        return
    typer.echo(
        f"{done['events']:,} events of {done['files']:,} files are erased, {done['conversations']:,} conversations and "
        f"{done['persons']:,} entries of what serves here; AIRec: {done['airec']}; "
        f"the next training no longer knows of {user} (tenant {tenant})"
    )


def _check(user: str, tenant: str) -> None:
    for name, value in (("user", user), ("tenant", tenant)):
        if not value.strip() or "\0" in value:
            raise UsageError(f"{value!r} is no {name}; give the id that stands in his tokens")
