"""Two sides under one set of queries: asked on both engines, compared group by group, and judged by the model alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from searchloom.cloud.oss import Oss
from searchloom.engines.interface import Access
from searchloom.evaluation import gate, metrics, probes, shadow
from searchloom.evaluation.collection import Collection
from searchloom.evaluation.gate import Figure, Guard, Rules, Values
from searchloom.evaluation.shadow import Found, Rerank, Side
from searchloom.evaluation.sides import Loaded
from searchloom.evaluation.significance import Comparison
from searchloom.release.document import Fusion
from searchloom.settings import EngineName, Settings

log = logging.getLogger(__name__)

JUDGED, KNOWN = "judged", "known items"
UNSEEN = f"{JUDGED}, unseen documents"

_TENANT = "default"
_TIMED = 50  # queries

ByEngine = dict[EngineName, dict[str, Values]]
"""engine -> stratum -> query_id -> nDCG@10."""


@dataclass(slots=True)
class Answers:
    """What a side scored: as users get it, before its reranker, and by its vectors alone."""

    served: ByEngine
    fused: ByEngine
    vector: ByEngine
    rerank: Rerank | None

    @property
    def rerank_ms(self) -> float:
        """Milliseconds that reranking a query's head took, in half of the cases."""
        return median(self.rerank.took_ms) if self.rerank and self.rerank.took_ms else 0.0


@dataclass(frozen=True, slots=True)
class Trial:
    """The two sides, and the queries by stratum; ``unseen``: judged queries of documents that no model was told of."""

    oss: Oss
    corpus: str
    settings: Settings
    rules: Rules
    live: Loaded
    candidate: Loaded
    strata: dict[str, Collection]
    unseen: set[str]
    dev: Collection

    def answers(self, side: Loaded) -> Answers:
        """Ask both engines every query, as one side."""
        rerank = side.rerank()
        as_side = Side(side.what.fusion or Fusion(), rerank)
        found = Answers({}, {}, {}, rerank)
        for stratum, asked in self.strata.items():
            lists = ask(self.settings, side, asked, texts=rerank is not None)
            for engine, one in lists.items():
                ranked = shadow.rankings(as_side, one)
                for into, order in (
                    (found.served, ranked.served),
                    (found.fused, ranked.fused),
                    (found.vector, ranked.vector),
                ):
                    into.setdefault(engine, {})[stratum] = metrics.per_query(asked.qrels, order)["ndcg@10"]
        return found

    def query_ms(self) -> tuple[float, float]:
        """Milliseconds in which half of the queries are embedded, live and candidate.

        Measured in turns: whatever else keeps the machine busy slows both.
        """
        texts = [text for asked in self.strata.values() for text in asked.queries.values()][:_TIMED]
        models = (
            [self.live.model] if self.candidate.model is self.live.model else [self.live.model, self.candidate.model]
        )
        took: list[list[float]] = [[] for _ in models]
        for text in texts:
            for model, times in zip(models, took, strict=True):
                started = time.perf_counter()
                model.encode([text])
                times.append((time.perf_counter() - started) * 1000)
        medians = [round(median(times), 1) for times in took]
        return medians[0], medians[-1]

    def groups(self, live: Answers, ours: Answers) -> tuple[list[Figure], list[Guard]]:
        """Compare every stratum and the unseen documents, on each engine and on both; and say what was lost."""
        figures: list[Figure] = []
        guarded: list[tuple[Figure, Comparison]] = []
        groups = {name: (name, set(asked.queries)) for name, asked in self.strata.items()}
        if self.unseen and len(self.unseen) < len(self.strata[JUDGED].queries):
            groups[UNSEEN] = (JUDGED, self.unseen)
        before, after = both(live.served), both(ours.served)
        for name, (stratum, queries) in groups.items():
            guarded.append(gate.figure(name, "both engines", _part(after, stratum, queries), before))
            figures += [
                gate.figure(name, engine, _part(values, stratum, queries), live.served[engine])[0]
                for engine, values in ours.served.items()
            ]
        guarded += [
            gate.figure("all queries", engine, values, live.served[engine]) for engine, values in ours.served.items()
        ]
        guarded.append(gate.figure("vectors alone", "both engines", both(ours.vector), both(live.vector)))
        if ours.rerank:
            guarded.append(gate.figure("reranked over not reranked", "both engines", after, both(ours.fused)))
        return figures, [gate.guard(one, self.rules) for one in guarded]

    def must_not_lose(self) -> list[Guard]:
        """Judge the models alone over sets that have little to do with what was learned."""
        if self.candidate.model.card.version == self.live.model.card.version:
            return []  # the same model has forgotten nothing
        found = []
        for probe in probes.make(self.oss, self.corpus, self.dev):
            values = [
                probe.judge(model.encode, model.kept if probe.name == probes.GENERAL else model.passages)
                for model in (self.candidate.model, self.live.model)
            ]
            compared = gate.figure(probe.name, "model alone", {"": values[0]}, {"": values[1]})
            tolerance = 0.0 if probe.name == probes.PARAPHRASES else self.rules.forget
            found.append(gate.guard(compared, self.rules, tolerance=tolerance))
        return found


def ask(settings: Settings, side: Loaded, asked: Collection, *, texts: bool) -> dict[EngineName, dict[str, Found]]:
    """Return what both engines find, as one side asks them; queries are embedded one by one, as they are online."""
    vectors = shadow.embed(asked.queries, side.model.encode)
    found: dict[EngineName, dict[str, Found]] = {}
    for engine, index in side.what.generation.items():
        log.info("asking %s %d queries of index %s", engine, len(asked.queries), index)
        found[engine] = shadow.collect(
            settings, engine, index, asked.queries, vectors, access=Access(_TENANT), texts=texts
        )
    return found


def both(engines: ByEngine) -> dict[str, Values]:
    """Stratum -> query -> mean of the engines."""
    strata = list(next(iter(engines.values())))
    return {name: gate.mean_of({engine: values[name] for engine, values in engines.items()}) for name in strata}


def _part(values: Mapping[str, Values], stratum: str, queries: set[str]) -> dict[str, Values]:
    return {stratum: {query: value for query, value in values[stratum].items() if query in queries}}
