"""The candidate against the live release, on both engines, without touching what serves: a task of ``train_models``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound, Terminal, UsageError
from searchloom.evaluation import collection as collections
from searchloom.evaluation import gate, sides
from searchloom.evaluation.collection import Collection
from searchloom.evaluation.gate import Budget, Evidence, GateReport, Rules
from searchloom.evaluation.shadow import Found
from searchloom.evaluation.sides import Candidate, Loaded
from searchloom.evaluation.trial import JUDGED, KNOWN, Answers, Trial, ask, both
from searchloom.evaluation.weights import learn_fusion, learn_rerank
from searchloom.release import registry
from searchloom.release.document import Fusion, Release
from searchloom.settings import EngineName, Settings
from searchloom.training import training_set

log = logging.getLogger(__name__)

MOST = 1000
"""Queries of one stratum; of more a sample is taken."""

REREAD = 120
"""The same where a reranker reads: it takes as long for one query as everything else does for many."""

PROOF = "reranker on test"
"""Among what was learned: what a reranker whose share dev chose is worth on queries that had no say in it."""


def judge(
    oss: Oss, *, corpus: str, candidate: Mapping[str, Any], run_id: str, settings: Settings, rules: Rules | None = None
) -> dict[str, Any]:
    """Judge a candidate (see ``sides.Candidate``), write ``gates/{corpus}/{run_id}.json`` and say what came of it.

    Returns ``verdict``, ``summary``, ``report`` (its key), ``metrics``, and ``fusion`` and ``reranker`` as they were
    judged: learned on dev where the candidate names none. Repeated with the same candidate against the same live
    release it returns what it said before. Raises ``UsageError`` for something that is no candidate, ``Terminal`` when
    models and indexes do not belong together or there is nothing to judge by.
    """
    try:
        named = Candidate.model_validate(candidate)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"candidate, {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    live = registry.current(oss, corpus)
    if live is None:
        raise Terminal(f"corpus {corpus!r} has no live release to compare with; run the DAG ingest_corpus first")
    there = _said_before(oss, corpus, run_id, named, live)
    if there is None:
        trial, learned = _prepared(oss, corpus, named, live, settings=settings, rules=rules or Rules())
        there = _tried(trial, run_id=run_id, named=named, release=live, learned=learned)
        body = there.model_dump_json(indent=1).encode()
        oss.put(gate.report_key(corpus, run_id), body, content_type="application/json")
    for line in gate.lines(there):
        log.info("%s", line)
    return _outcome(there)


def _said_before(oss: Oss, corpus: str, run_id: str, named: Candidate, live: Release) -> GateReport | None:
    try:
        there = GateReport.model_validate_json(oss.get(gate.report_key(corpus, run_id)))
    except (ServiceNotFound, ValidationError):
        return None
    same = there.named == named.model_dump(mode="json") and there.live["number"] == live.number
    return there if same else None


def _outcome(report: GateReport) -> dict[str, Any]:
    shown, judged = report.combined, report.candidate
    figures = {"live": shown.live, "candidate": shown.candidate, "gain": shown.gain, "low": shown.low}
    return {
        "verdict": report.verdict,
        "summary": report.reasons[0],
        "report": gate.report_key(report.corpus, report.run_id),
        "metrics": figures | {"high": shown.high, "queries": float(shown.queries)},
        "fusion": judged["fusion"],
        "reranker": judged["reranker"],
    }


def _prepared(
    oss: Oss, corpus: str, named: Candidate, release: Release, *, settings: Settings, rules: Rules
) -> tuple[Trial, dict[str, Any]]:
    """Load models and queries, learn on dev what the candidate leaves open; return the gains there too."""
    live = sides.load(oss, corpus, Candidate.of(release), settings)
    candidate = sides.load(oss, corpus, named, settings, beside=live)
    sets = [training_set.read(oss, corpus, one) for one in sorted(candidate.training_sets())]
    dev = collections.of_table(sets[0].dev) if sets else collections.of_split(oss, corpus, "dev")
    strata = {JUDGED: collections.of_split(oss, corpus, "test")}
    if sets:
        strata[KNOWN] = collections.of_table(sets[0].heldout)
    strata = {name: collections.sample(asked, MOST) for name, asked in strata.items() if asked.queries}
    if not strata:
        raise Terminal(
            f"corpus {corpus!r} has neither test judgments nor held-out queries to judge by; import some with "
            "`searchloom corpus import-beir DIR`"
        )
    trained = collections.trained_documents(oss, corpus, candidate.training_sets() | live.training_sets())
    unseen = collections.unseen(strata[JUDGED], trained) if JUDGED in strata else set()
    settled, learned = _learned(candidate, dev, release.fusion, settings)
    trial = Trial(oss, corpus, settings, rules, live, settled, strata, unseen, dev)
    if settled.score and named.reranker and named.reranker.weight is None:
        trial = _proved(trial, learned)
    return (_sampled(trial) if trial.candidate.score or live.score else trial), learned


def _sampled(trial: Trial) -> Trial:
    """Ask fewer queries: a reranker takes its time."""
    strata = {name: collections.sample(asked, REREAD) for name, asked in trial.strata.items()}
    return replace(trial, strata=strata, unseen=trial.unseen & set().union(*(one.queries for one in strata.values())))


def _proved(trial: Trial, learned: dict[str, Any]) -> Trial:
    """Leave out a reranker that does not help queries by which its share was not chosen; note the gain there.

    It costs time at every search, so what dev says of it is not enough: of several shares and depths the luckiest was
    taken there.
    """
    ours = _sampled(trial).answers(trial.candidate)
    shown, comparison = gate.figure("reranked over not reranked", "both engines", both(ours.served), both(ours.fused))
    learned[PROOF] = shown.model_dump(include={"queries", "gain", "low", "high"}) | {"ms": round(ours.rerank_ms, 1)}
    log.info(
        "reranker: on %d test queries %+.4f (%+.4f to %+.4f), %.0f ms a query",
        shown.queries, shown.gain, shown.low, shown.high, ours.rerank_ms,
    )  # fmt: skip
    if comparison.gained:
        return trial
    what = trial.candidate.what.model_copy(update={"reranker": None})
    return replace(trial, candidate=Loaded(what, trial.candidate.model))


def _learned(candidate: Loaded, dev: Collection, fusion: Fusion, settings: Settings) -> tuple[Loaded, dict[str, Any]]:
    """Settle the fusion and the reranker's share on dev; a reranker that does not help is left out.

    Weights that dev says nothing of stay as they are in the live release.
    """
    what, rerank = candidate.what, candidate.rerank()
    start = what.fusion or fusion.model_copy(update={"trained_languages": candidate.model.card.languages})
    share_open = what.reranker is not None and what.reranker.weight is None
    gains: dict[str, Any] = {}
    found: dict[EngineName, dict[str, Found]] = {}
    if dev.queries and (what.fusion is None or share_open):
        found = ask(settings, candidate, dev, texts=share_open)
    if what.fusion is None:
        learned = learn_fusion(found, dev.qrels, start)
        start, gains["fusion"] = learned.fusion, learned.gain.summary()
    chosen = what.reranker
    if chosen and rerank and share_open:
        share = learn_rerank(found, collections.sample(dev, REREAD).qrels, start, rerank, sources=dev.sources)
        chosen = chosen.model_copy(update={"weight": share.weight, "depth": share.depth})
        gains["reranker"] = share.gain.summary()
    kept = chosen if chosen and chosen.weight else None
    what = what.model_copy(update={"fusion": start, "reranker": kept})
    if kept is None:
        return Loaded(what, candidate.model), gains
    return Loaded(what, candidate.model, candidate.reranker_card, candidate.score), gains


def _tried(trial: Trial, *, run_id: str, named: Candidate, release: Release, learned: dict[str, Any]) -> GateReport:
    """Ask, compare, decide."""
    live, ours = trial.answers(trial.live), trial.answers(trial.candidate)
    before, after = both(live.served), both(ours.served)
    combined, comparison = gate.figure("all queries", "both engines", after, before)
    figures, guards = trial.groups(live, ours)
    guards += trial.must_not_lose()
    unchanged = trial.candidate.what.says() == trial.live.what.says()
    budgets = _budgets(trial, live, ours, learned.get(PROOF, {}).get("ms", 0.0))
    evidence = Evidence(combined=combined, guards=guards, budgets=budgets, unchanged=unchanged)
    verdict, reasons, needed = gate.decide(evidence, comparison, trial.rules)
    if named.reranker and trial.candidate.what.reranker is None:
        reasons.append(_left_out(named.reranker.version, learned.get(PROOF)))
    lost, won = gate.query_deltas(after, before, {name: asked.queries for name, asked in trial.strata.items()})
    return GateReport(
        corpus=trial.corpus,
        run_id=run_id,
        created=datetime.now(UTC),
        named=named.model_dump(mode="json"),
        live=sides.described(trial.live) | {"number": release.number},
        candidate=sides.described(trial.candidate),
        verdict=verdict,
        reasons=reasons,
        combined=combined,
        figures=figures,
        guards=guards,
        budgets=budgets,
        queries_needed=needed,
        lost=lost,
        won=won,
        weights=learned,
        rules=trial.rules,
    )


def _left_out(version: str, proof: dict[str, Any] | None) -> str:
    if proof is None:
        return f"Reranker {version} did not help on dev and was left out."
    return (
        f"Reranker {version} did not help and was left out: {proof['gain']:+.4f} on {proof['queries']} test queries "
        f"({proof['low']:+.4f} to {proof['high']:+.4f}) is no gain beyond chance, at {proof['ms']:.0f} ms a query."
    )


def _budgets(trial: Trial, live: Answers, ours: Answers, first_ms: float) -> list[Budget]:
    """Hold time and size against their limits; ``first_ms``: reranking, before its passages were remembered."""
    rules, sizes = trial.rules, [round(side.megabytes(), 1) for side in (trial.live, trial.candidate)]
    embedding = trial.query_ms()
    found = [
        Budget(
            name="embedding a query", live=embedding[0], candidate=embedding[1], limit=rules.max_query_ms, unit="ms"
        ),
        Budget(name="the size of the models", live=sizes[0], candidate=sizes[1], limit=rules.max_model_mb, unit="MB"),
    ]
    if ours.rerank:
        times = [round(live.rerank_ms, 1), round(max(ours.rerank_ms, first_ms), 1)]
        found.append(
            Budget(name="reranking a query", live=times[0], candidate=times[1], limit=rules.max_rerank_ms, unit="ms")
        )
    return found
