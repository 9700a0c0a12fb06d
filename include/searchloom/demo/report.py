"""What the demo tells at its end: a table for people, ``demo-report.json`` for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table

from searchloom.evaluation.commands import table as quality_table


@dataclass
class Report:
    """Filled step by step; ``seconds`` is by part, in the order in which they ran."""

    corpus: str
    seconds: dict[str, float] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    quality_before: dict[Any, Any] = field(default_factory=dict)  # of the base model's release
    quality: dict[Any, Any] = field(default_factory=dict)  # of the release that serves at the end
    candidate: dict[str, Any] = field(default_factory=dict)  # what the judge said of the own models
    urls: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str, console: Console) -> Iterator[None]:
        """Measure one part, and say on the console that it begins."""
        console.rule(f"[bold]{name}", align="left")
        start = monotonic()
        yield
        self.seconds[name] = round(monotonic() - start, 1)

    def as_json(self) -> dict[str, Any]:
        """The whole report, with the notes that its figures need."""
        return {
            "corpus": self.corpus,
            "documents": self.documents,
            "work": self.work,
            "quality_before": self.quality_before,
            "candidate": self.candidate,
            "quality": self.quality,
            "seconds": self.seconds,
            "urls": self.urls,
            "notes": NOTES,
        }


NOTES = [
    (
        "The corpus is the API reference of the installed packages; the judgments are known-item ones: the summary "
        "line of a docstring finds its document, and the line itself is left out of the text. Human-judged figures "
        "come from `searchloom corpus import-beir`."
    ),
    (
        "The base model is all-MiniLM-L6-v2 as it comes, 384 dimensions. Own models are trained on the judgments of "
        "other queries and on the corpus itself; they serve only where the judge finds them better."
    ),
]


def render(report: Report) -> RenderableType:
    """The report as the demo prints it."""
    facts = Table.grid(padding=(0, 2))
    for name, count in report.documents.items():
        facts.add_row(name, f"{count:,}")
    times = Table("part", "seconds", title="where the time went", title_justify="left")
    times.columns[1].justify = "right"
    for name, seconds in report.seconds.items():
        times.add_row(name, f"{seconds:.0f}")
    times.add_row("all", f"{sum(report.seconds.values()):.0f}", style="bold")
    tables: list[RenderableType] = [quality_table(report.quality_before, title="known-item search, test queries")]
    if report.candidate:
        tables.append(_sentence(report.candidate))
    if report.candidate.get("promoted"):
        tables.append(quality_table(report.quality, title="own models: the same queries"))
    links = Table.grid(padding=(0, 2))
    for name, url in report.urls.items():
        links.add_row(f"[bold]{name}", url)
    return Group("", facts, "", *tables, "", *(f"[dim]{note}" for note in NOTES), "", times, "", links)


def _sentence(candidate: dict[str, Any]) -> str:
    outcome = "and serves now" if candidate["promoted"] else "and does not serve"
    return f"\nThe own models, by the judge: [bold]{candidate['verdict']}[/], {outcome}. {candidate['summary']}\n"
