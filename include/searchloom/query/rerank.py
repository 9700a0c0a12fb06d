"""The reranking stage: the head of the fused ranking, read once more by the release's cross-encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from searchloom.engines.fusion import Ranked, blend, passage
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.release.document import Reranker


@dataclass(frozen=True, slots=True)
class Reranked:
    """A ranking of documents, best first, and what the reranker said of those it read (doc_id -> score)."""

    ranked: Sequence[Ranked]
    scores: Mapping[str, float] = field(default_factory=dict)


async def rerank(
    services: ModelServices, model: Reranker, query: str, ranked: Sequence[Ranked], deadline: Deadline
) -> Reranked:
    """Blend the reranker's scores into the head; raises what the service raises, late or dead.

    The head is the same whatever page is asked for, so that pages put together are the whole ranking.
    """
    head = ranked[: model.depth]
    if not head:
        return Reranked(ranked)
    found = await services.rerank(query, [passage(entry) for entry in head], model, deadline)
    scores = {entry.doc_id: score for entry, score in zip(head, found, strict=True)}
    return Reranked(blend(ranked, scores, model.weight), scores)
