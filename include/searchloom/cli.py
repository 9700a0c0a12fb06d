"""The command-line program. Each part brings its own commands; this file only puts them under one roof."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import typer
from rich.console import Console
from rich.markup import escape

from searchloom.behaviour import commands as behaviour
from searchloom.bench import commands as bench
from searchloom.corpus import commands as corpus
from searchloom.demo import commands as demo
from searchloom.errors import NotFound, SearchloomError, UsageError
from searchloom.evaluation import commands as evaluation
from searchloom.events import commands as events
from searchloom.orchestration import commands as orchestration
from searchloom.query import commands as query
from searchloom.query.chat import commands as chat
from searchloom.query.recommend import commands as recommend
from searchloom.release import commands as release
from searchloom.stack import commands as stack
from searchloom.users import commands as users

app = typer.Typer(
    help="Documents and behaviour into search, chat and recommendations.",
    epilog="Every command takes --profile NAME: profiles/NAME.yaml says where things are (default: local).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    stack.up,
    stack.down,
    stack.status,
    stack.doctor,
    demo.demo,
    orchestration.run,
    query.search,
    chat.chat,
    recommend.recommend,
    query.token,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(corpus.app, name="corpus")
app.add_typer(release.app, name="releases")
app.add_typer(bench.app, name="bench")
app.add_typer(events.app, name="events")
app.add_typer(behaviour.app, name="airec")
app.add_typer(evaluation.app, name="evaluate")
app.add_typer(users.app, name="users")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. An error is one sentence; exit 2 for a wrong call, 1 for a failed job, 130 for Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app(_without_profile(words), standalone_mode=True, prog_name="searchloom")
    except (UsageError, NotFound) as error:
        errors.print(f"[red]searchloom:[/red] {escape(str(error))}")
        sys.exit(2)
    except SearchloomError as error:
        errors.print(f"[red]searchloom:[/red] {escape(str(error))}")
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print("searchloom: interrupted")
        sys.exit(130)


def _without_profile(words: list[str]) -> list[str]:
    """Take ``--profile NAME`` out, wherever it stands, and choose that profile for everything that follows."""
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word == "--profile":
            name = next(remaining, "")
        elif word.startswith("--profile="):
            name = word.partition("=")[2]
        else:
            rest.append(word)
            continue
        if not name or name.startswith("-"):
            raise UsageError("--profile wants the name of a profile, for example --profile local")
        os.environ["SEARCHLOOM_PROFILE"] = name
    return rest


if __name__ == "__main__":
    main()
