"""Rows that AIRec does not hold, each with its reason: kept so that they can be sent once the cause is cured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from searchloom.behaviour.erasures import Erasures
from searchloom.behaviour.planned import Refused
from searchloom.cloud.airec_rows import Table
from searchloom.cloud.oss import Oss

_PERSONAL: tuple[Table, ...] = ("user", "behavior")


def key(instance: str, corpus: str, table: Table, tag: str, by: str) -> str:
    """Key of what one plan (``tag``) could not bring into a table: ``by`` the ``check`` before, or by ``airec``."""
    return f"{prefix(instance, corpus)}{table}/{tag}-{by}.jsonl"


def prefix(instance: str, corpus: str) -> str:
    """Where the dead letters of a corpus lie."""
    return f"dead_letters/{corpus}/airec/{instance}/"


def write(oss: Oss, where: str, refused: Iterable[Refused]) -> int:
    """Write a file of dead letters, if there are any; returns how many."""
    lines = [one.line() for one in refused]
    if lines:
        oss.put(where, b"".join(lines), content_type="application/x-ndjson")
    return len(lines)


def read(oss: Oss, instance: str, corpus: str, table: Table) -> Iterator[tuple[str, list[Refused]]]:
    """The files of a table, each with what it holds."""
    for info in oss.list(f"{prefix(instance, corpus)}{table}/"):
        yield info.key, [Refused.of_line(line) for line in oss.get(info.key).splitlines()]


def forget(oss: Oss, instance: str, corpus: str, erasures: Erasures) -> int:
    """Take out what erased people did before their erasure; returns how many rows went."""
    gone = 0
    if not erasures.marks:
        return gone
    for table in _PERSONAL:
        for where, refused in read(oss, instance, corpus, table):
            others = [one for one in refused if not erasures.covers(one.person, one.time)]
            if len(others) == len(refused):
                continue
            gone += len(refused) - len(others)
            if not write(oss, where, others):
                oss.delete(where)
    return gone
