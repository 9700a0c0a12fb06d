"""Run a collection's queries through the query module, and write what came back for anyone's own tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

DEPTH = 100
"""Documents asked for each query: what Recall@100 needs."""

_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """One document of an answer: our id, the customer's id, the score."""

    doc_id: str
    source_id: str
    score: float


Answer = list[Found]


def run_queries(
    queries: Mapping[str, str], search: Callable[[str], Answer], *, done: Callable[[], None] = lambda: None
) -> dict[str, Answer]:
    """Ask every query, a few at a time; ``done`` is called after each. An error of one ends the run."""

    def ask(query: str) -> Answer:
        answer = search(query)
        done()
        return answer

    with ThreadPoolExecutor(_WORKERS) as pool:
        return dict(zip(queries, pool.map(ask, queries.values()), strict=True))


def write_trec_run(path: Path, answers: Mapping[str, Answer], *, tag: str) -> None:
    """Write rankings as TREC lines: query id, ``Q0``, the customer's document id, rank, score, tag.

    White space inside an id would break the format and is written as ``_``.
    """
    lines = (
        f"{_word(query_id)} Q0 {_word(found.source_id)} {rank} {found.score:.6f} {tag}\n"
        for query_id, answer in answers.items()
        for rank, found in enumerate(_falling(answer), start=1)
    )
    path.write_text("".join(lines), encoding="utf-8")


def _falling(answer: Iterable[Found]) -> Iterable[Found]:
    """Documents with strictly falling scores: tools that sort by score must find the order that was served."""
    last = float("inf")
    for found in answer:
        score = min(found.score, last - 1e-6)
        yield Found(found.doc_id, found.source_id, score)
        last = score


def _word(identifier: str) -> str:
    return "_".join(identifier.split()) or "_"
