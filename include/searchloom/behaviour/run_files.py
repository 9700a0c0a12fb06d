"""What the tasks of one sync tell each other, as files in OSS below ``runs/airec/{instance}/{corpus}/{run_id}/``.

``plan.json`` says how many requests each table takes and what the next state is, ``{table}-{n}.jsonl`` holds the rows
of one request, ``{table}-{n}.answers.json`` what has become of them, ``files.parquet`` the files of the event log that
the behaviour was read from. The rows hold personal data: they go as soon as nothing is missing any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from searchloom import schemas
from searchloom.behaviour.planned import TABLES, Planned
from searchloom.cloud.airec_rows import Table
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound, Terminal

_KEEP = timedelta(days=14)

FILES = pa.schema(
    [
        pa.field("day", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
    ]
)


@dataclass(slots=True)
class Answers:
    """What has become of the rows of one request, by their ids.

    ``in_flight`` was being sent when this was written; where an answer never came (``in_doubt``) AIRec may hold the
    row already. ``refused``: id -> reason. ``left_out``: of people who were erased after the plan was made.
    """

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    in_flight: list[str] = field(default_factory=list)
    in_doubt: int = 0
    requests: int = 0

    @property
    def settled(self) -> set[str]:
        """Ids that need no more sending."""
        return {*self.accepted, *self.refused, *self.left_out}


def folder(instance: str, corpus: str) -> str:
    """Where all runs of a corpus lie."""
    return f"runs/airec/{instance}/{corpus}/"


def new_plan(instance: str, corpus: str, run_id: str) -> str:
    """The prefix of a new attempt of a run: what the tasks pass on as ``plan``."""
    return f"{folder(instance, corpus)}{run_id}/{uuid.uuid4().hex[:8]}/"


def report_key(corpus: str, run_id: str) -> str:
    """Key of a run's report."""
    return f"reports/{corpus}/airec/{run_id}.json"


def write_plan(oss: Oss, plan: str, head: Mapping[str, Any], files: pa.Table) -> None:
    """Write the plan, which makes its batches count; last of all."""
    schemas.write_table(oss, f"{plan}files.parquet", files, FILES)
    oss.put_json(f"{plan}plan.json", dict(head))


def read_plan(oss: Oss, plan: str) -> dict[str, Any]:
    """Read ``plan.json``; ``Terminal`` where there is none (any more)."""
    try:
        head: dict[str, Any] = oss.get_json(f"{plan}plan.json")
    except ServiceNotFound as error:
        raise Terminal(f"there is no sync plan {plan!r} (kept {_KEEP.days} days); start a new run") from error
    return head


def read_files(oss: Oss, plan: str) -> pa.Table:
    """The files of the event log that a plan has read (``FILES``)."""
    return schemas.read_table(oss, f"{plan}files.parquet", FILES)


def write_batch(oss: Oss, plan: str, table: Table, number: int, rows: Iterable[Planned]) -> None:
    """Write the rows of one request."""
    data = b"".join(row.line() for row in rows)
    oss.put(f"{plan}{table}-{number}.jsonl", data, content_type="application/x-ndjson")


def read_batch(oss: Oss, plan: str, table: Table, number: int) -> list[Planned]:
    """Read the rows of one request."""
    return [Planned.of_line(line) for line in oss.get(f"{plan}{table}-{number}.jsonl").splitlines()]


def write_answers(oss: Oss, plan: str, table: Table, number: int, answers: Answers) -> None:
    """Note what has become of the rows of one request."""
    oss.put_json(f"{plan}{table}-{number}.answers.json", asdict(answers))


def read_answers(oss: Oss, plan: str, table: Table, number: int) -> Answers:
    """What has become of the rows of one request: nothing, where it was never sent."""
    try:
        return Answers(**oss.get_json(f"{plan}{table}-{number}.answers.json"))
    except ServiceNotFound:
        return Answers()


def batches(oss: Oss, plan: str, head: Mapping[str, Any], table: Table) -> Iterator[tuple[list[Planned], Answers]]:
    """The rows of a table, request by request, with what has become of them."""
    for number in range(head["batches"][table]):
        yield read_batch(oss, plan, table, number), read_answers(oss, plan, table, number)


def forget_rows(oss: Oss, plan: str) -> None:
    """Delete the rows and answers of a plan that is closed; its head stays, to say what it was."""
    keys = [info.key for table in TABLES for info in oss.list(f"{plan}{table}-")]
    if keys:
        oss.delete_many(keys)


def sweep(oss: Oss, instance: str, corpus: str) -> None:
    """Delete the files of runs that ended long ago, and all rows: to be called while no plan is open."""
    limit = datetime.now(UTC) - _KEEP
    old = [
        info.key
        for info in oss.list(folder(instance, corpus))
        if info.last_modified < limit or info.key.endswith((".jsonl", ".answers.json"))
    ]
    if old:
        oss.delete_many(old)
