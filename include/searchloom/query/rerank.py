"""The reranking stage: the head of the fused ranking, read once more by a model that has both texts before it.

Whose that is, a setting says: the release's own (a service of PAI-EAS), or a model of Bailian.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from searchloom.cloud.bailian_online import BailianOnline
from searchloom.engines.fusion import Ranked, blend, passage
from searchloom.errors import ServiceUnavailable
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.release.document import Release
from searchloom.settings import Settings


@dataclass(frozen=True, slots=True)
class Reranked:
    """A ranking of documents, best first, and what the reranker said of those it read (doc_id -> score)."""

    ranked: Sequence[Ranked]
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Say:
    """How far down a reranker reads, in documents, and its share of the blended score."""

    depth: int
    weight: float


class Judge(Protocol):
    """Whoever reads query and passages together."""

    def say(self, release: Release) -> Say | None:
        """What a release lets it say; None: nothing."""

    async def scores(
        self, query: str, passages: Sequence[str], release: Release, deadline: Deadline
    ) -> Sequence[float]:
        """Return one score a passage, the higher the better; ``ServiceUnavailable`` late or down."""

    async def close(self) -> None:
        """Let go of connections."""


class ReleaseJudge:
    """The reranker that a release names."""

    def __init__(self, services: ModelServices) -> None:
        self._services = services

    def say(self, release: Release) -> Say | None:
        """As it was learned when the release was judged."""
        model = release.reranker
        return Say(model.depth, model.weight) if model else None

    async def scores(
        self, query: str, passages: Sequence[str], release: Release, deadline: Deadline
    ) -> Sequence[float]:
        """Ask the release's service."""
        if release.reranker is None:
            raise ServiceUnavailable(f"release {release.number} of {release.corpus} has no reranker")
        return await self._services.rerank(query, passages, release.reranker, deadline)

    async def close(self) -> None:
        """The model services are closed by whoever opened them."""


class BailianJudge:
    """A reranker of Bailian, the same for every release."""

    def __init__(self, settings: Settings) -> None:
        self._say = Say(settings.query.bailian_rerank_depth, settings.query.bailian_rerank_weight)
        self._bailian = BailianOnline(settings.bailian)

    def say(self, release: Release) -> Say:  # noqa: ARG002  the protocol's
        """As the settings have it."""
        return self._say

    async def scores(
        self,
        query: str,
        passages: Sequence[str],
        release: Release,  # noqa: ARG002  the protocol's
        deadline: Deadline,
    ) -> Sequence[float]:
        """Ask Bailian; its client's own retries end with the deadline."""
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                judged = await self._bailian.rerank(query, passages, top_n=len(passages))
        except TimeoutError as error:
            raise ServiceUnavailable("Bailian's reranker did not answer in time") from error
        by_place = {one.index: one.score for one in judged}
        if set(by_place) != set(range(len(passages))):
            raise ServiceUnavailable(f"Bailian's reranker judged {len(by_place)} of {len(passages)} passages")
        return [by_place[place] for place in range(len(passages))]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._bailian.aclose()


def judge(settings: Settings, services: ModelServices) -> Judge | None:
    """Return the reranker that the settings name; None for none."""
    if settings.query.reranker == "bailian":
        return BailianJudge(settings)
    return ReleaseJudge(services) if settings.query.reranker == "release" else None


async def rerank(
    judge: Judge, release: Release, query: str, ranked: Sequence[Ranked], *, say: Say, deadline: Deadline
) -> Reranked:
    """Blend the reranker's scores into the head, whose hits hold their texts; raises what the judge raises.

    The head is the same whatever page is asked for, so that pages put together are the whole ranking.
    """
    head = ranked[: say.depth]
    if not head:
        return Reranked(ranked)
    found = await judge.scores(query, [passage(entry) for entry in head], release, deadline)
    scores = {entry.doc_id: score for entry, score in zip(head, found, strict=True)}
    return Reranked(blend(ranked, scores, say.weight), scores)
