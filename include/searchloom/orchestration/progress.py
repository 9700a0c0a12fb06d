"""Show runs while they go: a live table on a terminal, one plain line a change elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from searchloom.orchestration.api import Json
from searchloom.orchestration.follow import Run

_COLOURS = {"success": "green", "failed": "red", "upstream_failed": "red", "running": "cyan", "up_for_retry": "yellow"}
_QUIET = {None, "none", "scheduled", "queued", "removed"}


class Watch(Protocol):
    """Called with all runs after every look at them."""

    def __call__(self, runs: list[Run], /) -> None:
        """Show them."""


@contextmanager
def shown(console: Console) -> Iterator[Watch]:
    """Show runs on a console, whichever kind it is."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda runs: live.update(_table(runs))


def _table(runs: list[Run]) -> Table:
    table = Table("DAG", "partition", "state", "s", "tasks", box=None, pad_edge=False)
    for run in runs:
        seconds = f"{run.seconds:.0f}" if run.seconds else ""
        tasks = " · ".join(_task_cell(name, tasks) for name, tasks in _by_task(run.tasks).items())
        table.add_row(run.dag_id, escape(run.key), _coloured(run.state), seconds, tasks)
    return table


def _by_task(tasks: list[Json]) -> dict[str, list[Json]]:
    """Task instances by task, in the order in which they start; what has not started comes last."""
    groups: dict[str, list[Json]] = {}
    for task in sorted(tasks, key=lambda task: task["start_date"] or "9"):
        groups.setdefault(task["task_id"], []).append(task)
    return groups


def _task_cell(name: str, tasks: list[Json]) -> str:
    states = Counter(task["state"] or "none" for task in tasks)
    if len(tasks) == 1:
        return f"{name} {_coloured(next(iter(states)))}"
    done = states["success"] + states["skipped"]
    rest = ", ".join(
        f"{n} {_coloured(state)}" for state, n in states.items() if state in _COLOURS and state != "success"
    )
    return f"{name} {done}/{len(tasks)}" + (f" ({rest})" if rest else "")


def _coloured(state: str) -> str:
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/{colour}]" if colour else state.replace("none", "waiting")


class _Lines:
    """One line whenever a task instance or a run changes its state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[tuple[str, str, int, int], str] = {}

    def __call__(self, runs: list[Run], /) -> None:
        for run in runs:
            for task in sorted(run.tasks, key=lambda task: task["end_date"] or "9"):
                place = (run.run_id, task["task_id"], task["map_index"], task["try_number"])
                if task["state"] not in _QUIET and self._changed(place, task["state"]):
                    self._say(run, f"{_name(task)} {task['state']}{_seconds(task['duration'], task['state'])}")
            if self._changed((run.run_id, "", -1, 0), run.state):
                self._say(run, f"{run.state}{_seconds(run.seconds, run.state)}")

    def _changed(self, place: tuple[str, str, int, int], state: str) -> bool:
        changed = self._seen.get(place) != state
        self._seen[place] = state
        return changed

    def _say(self, run: Run, what: str) -> None:
        self._console.print(
            f"{run.dag_id} {run.key}".strip() + f": {what}", markup=False, highlight=False, soft_wrap=True
        )


def _name(task: Json) -> str:
    if task["map_index"] < 0:
        return str(task["task_id"])
    return f"{task['task_id']}[{task['rendered_map_index'] or task['map_index']}]"


def _seconds(seconds: float | None, state: str) -> str:
    return f" ({seconds:.1f} s)" if seconds and state != "running" else ""
