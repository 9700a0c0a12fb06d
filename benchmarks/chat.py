"""Answers to judged questions: whether their citations exist, and are of the document that a person judged right.

    .venv/bin/python -m benchmarks.chat [--corpus NAME] [--split test] [--questions 50] [--label TEXT] [--json]

Every question is asked once, by itself, through the query service that runs. Beside the share of answers that cite the
judged document stands what they could have cited: the share whose passages hold it, and whose first passage is it
(which a program that always cites the first passage would reach). Figures of several labels (``base``, ``own models``)
are kept side by side in ``benchmarks/results/chat.json``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from searchloom import settings as configuration
from searchloom.cloud.oss import Oss
from searchloom.errors import SearchloomError, UsageError
from searchloom.evaluation import collection
from searchloom.query import tokens
from searchloom.query.channels_client import ChannelsClient

RESULTS = Path(__file__).parent / "results" / "chat.json"
USER = "benchmark"
_CITED = re.compile(r"\[(\d+)\]")
_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Answered:
    """What is to be known of one answer."""

    known: bool
    cites: bool
    all_citations_exist: bool
    cites_judged: bool
    passages_hold_judged: bool
    first_is_judged: bool
    supported: float  # share of its citations
    degraded: tuple[str, ...]
    seconds: float
    first_word_s: float | None


def main() -> int:
    """Ask, count, print, write."""
    options = _options()
    settings = configuration.load()
    asked = collection.sample(collection.read(Oss(settings.oss), options.corpus, options.split), options.questions)
    if not asked.queries:
        raise UsageError(f"corpus {options.corpus!r} has no judged questions in split {options.split!r}")
    token = tokens.sign(settings, user=USER, lifetime_s=24 * 3600)
    console = Console(stderr=True)
    answers = []
    with ChannelsClient(settings.query.url, token) as client:
        release = next(one for one in client.corpora() if one["corpus"] == options.corpus)
        for query_id, question in track(asked.queries.items(), "asking", console=console, disable=options.json):
            answers.append(ask(client, options.corpus, question, asked.qrels[query_id]))
    report = {
        "corpus": options.corpus,
        "split": options.split,
        "label": options.label,
        "release": release["release"],
        "embedding": release["embedding"],
        "reranker": release["reranker"],
        "llm": settings.bailian.chat_model,
        **summary(answers),
    }
    _keep(report)
    if options.json:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        _show(report)
    return 0 if report["answers_with_citations_of_nothing"] == 0 else 1


def ask(client: ChannelsClient, corpus: str, question: str, judged: Mapping[str, int]) -> Answered:
    """Ask one question and look at what came."""
    started = time.perf_counter()
    first_word_s: float | None = None
    passages: Sequence[Mapping[str, Any]] = ()
    done: Mapping[str, Any] = {}
    for name, event in client.chat(question, corpus=corpus):
        if name == "passages":
            passages = event["passages"]
        elif name == "delta" and first_word_s is None:
            first_word_s = time.perf_counter() - started
        elif name == "done":
            done = event
    right = {doc_id for doc_id, grade in judged.items() if grade > 0}
    documents = {passage["number"]: passage["doc_id"] for passage in passages}
    in_text = {int(number) for number in _CITED.findall(_CODE.sub("", done["answer"]))}
    cited = {citation["number"] for citation in done["citations"]}
    supported = [citation["supported"] for citation in done["citations"]]
    return Answered(
        known=done["known"],
        cites=bool(cited),
        all_citations_exist=in_text | cited <= documents.keys(),
        cites_judged=any(documents.get(number) in right for number in cited),
        passages_hold_judged=not right.isdisjoint(documents.values()),
        first_is_judged=documents.get(1) in right,
        supported=mean(supported) if supported else 0.0,
        degraded=tuple(done["degraded"]),
        seconds=time.perf_counter() - started,
        first_word_s=first_word_s,
    )


def summary(answers: Sequence[Answered]) -> dict[str, Any]:
    """The figures of a run; shares are of all questions unless they say otherwise."""
    citing = [one for one in answers if one.cites]
    first = [one.first_word_s for one in answers if one.first_word_s is not None]
    return {
        "questions": len(answers),
        "answers_with_citations_of_nothing": sum(not one.all_citations_exist for one in answers),
        "share_known": _share(one.known for one in answers),
        "share_citing": _share(one.cites for one in answers),
        "share_citing_the_judged": _share(one.cites_judged for one in answers),
        "share_citing_the_judged_of_those_that_cite": _share(one.cites_judged for one in citing),
        "share_passages_hold_the_judged": _share(one.passages_hold_judged for one in answers),
        "share_first_passage_is_the_judged": _share(one.first_is_judged for one in answers),
        "citations_supported": round(mean(one.supported for one in citing), 3) if citing else None,
        "degraded": sum(bool(one.degraded) for one in answers),
        "seconds_median": round(median(one.seconds for one in answers), 2),
        "first_word_s_median": round(median(first), 2) if first else None,
    }


def _share(flags: Any) -> float | None:
    found = list(flags)
    return round(sum(found) / len(found), 3) if found else None


def _keep(report: dict[str, Any]) -> None:
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    same = ("corpus", "split", "label")
    kept = [one for one in kept if any(one[name] != report[name] for name in same)]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([*kept, report], indent=1) + "\n")


def _show(report: Mapping[str, Any]) -> None:
    table = Table("", report["label"], title=f"Chat on {report['corpus']}/{report['split']}")
    for name, value in report.items():
        if name not in {"corpus", "split", "label"}:
            table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    Console().print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", default="default")
    parser.add_argument("--split", default="test")
    parser.add_argument("--questions", type=int, default=50, help="at most so many, the same ones every time")
    parser.add_argument("--label", default="base", help="what serves: figures of other labels stay")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SearchloomError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2 if isinstance(error, UsageError) else 1)
