"""The personal order of searches, by the published model of the corpus and what is known of the caller."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from searchloom.engines.fusion import Ranked
from searchloom.query.airec_weights import AirecWeights
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.personal import Ordered
from searchloom.query.personal_models import PersonalModels, Serving
from searchloom.release.document import Release
from searchloom.settings import Personal as PersonalSettings

if TYPE_CHECKING:
    from searchloom.personalization.person import Person
    from searchloom.personalization.serve import Placed

_THREADS = 2


class ModelOrder:
    """Puts the head of a search into the caller's order; the rest, and what a stranger sees, stays as it is."""

    def __init__(self, models: PersonalModels, weights: AirecWeights, settings: PersonalSettings) -> None:
        self._models = models
        self._weights = weights
        self._settings = settings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="personal-order")

    async def order(
        self,
        candidates: Sequence[Ranked],
        caller: Caller,
        deadline: Deadline,
        *,
        release: Release,
        query: str,  # noqa: ARG002  the protocol's
    ) -> Ordered:
        """Order the candidates; raises ``ServiceUnavailable`` where the corpus' model cannot be used."""
        serving = self._models.serving(release.corpus)
        if serving is None or not serving.personal.searcher.weight:
            return Ordered(candidates)
        loop = asyncio.get_running_loop()
        person = await loop.run_in_executor(self._threads, serving.persons.get, caller.user, caller.access.tenant)
        if not person.events:
            return Ordered(candidates)
        counts = serving.personal.searcher.uses("airec")
        wait_s = min(self._settings.airec_ms / 1000, deadline.share(0.5).remaining_s()) if counts else 0.0
        weights = await self._weights.of(caller, release.corpus, wait_s=wait_s)
        missing = ("airec",) if counts and weights is None and self._weights.is_set else ()
        head, rest = candidates[: self._settings.depth], candidates[self._settings.depth :]
        ordered = await loop.run_in_executor(self._threads, _ordered, serving, person, head, weights)
        return replace(ordered, ranked=[*ordered.ranked, *rest], missing=missing)

    async def close(self) -> None:
        """Stop what runs in the background."""
        self._threads.shutdown(wait=False)
        await self._weights.close()


def _ordered(
    serving: Serving,
    person: Person,
    candidates: Sequence[Ranked],
    weights: Mapping[str, float] | None,
) -> Ordered:
    from searchloom.personalization.serve import Candidate  # noqa: PLC0415  numpy is there once a model serves

    head = {one.doc_id: one for one in candidates}
    asked = [Candidate(one.doc_id, one.score, _matches(one, weights)) for one in head.values()]
    placed = serving.personal.order(person, asked, time.time())
    scores = _descending(placed, head)
    return Ordered(
        ranked=[structs.replace(head[each.item_id], score=score) for each, score in zip(placed, scores, strict=True)],
        scores={each.item_id: each.personal for each in placed if each.personal is not None},
        reasons={each.item_id: each.reason for each in placed},
        airec={doc_id: weight for doc_id, weight in (weights or {}).items() if doc_id in head},
        version=serving.version,
    )


def _matches(one: Ranked, weights: Mapping[str, float] | None) -> dict[str, float]:
    """What others said of a candidate, as far as they did."""
    found = {"bm25": one.bm25, "vector": one.vector, "airec": (weights or {}).get(one.doc_id)}
    return {name: score for name, score in found.items() if score is not None}


def _descending(placed: Sequence[Placed], head: Mapping[str, Ranked]) -> list[float]:
    """The blended scores on the scale of the head's own ones; a place that a guard gave away never rises again."""
    own = [one.score for one in head.values()]
    low, spread = min(own), max(own) - min(own)
    worst = min(each.score for each in placed)
    range_ = max(each.score for each in placed) - worst
    scores: list[float] = []
    for each in placed:
        score = low + spread * (each.score - worst) / range_ if range_ else low
        scores.append(min(score, scores[-1]) if scores else score)
    return scores
