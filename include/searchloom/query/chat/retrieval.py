"""The passages of an answer: what search finds for the question, on the same pipeline, as whole chunks of text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from searchloom.engines.interface import Hit, Searcher
from searchloom.query.admission import Admission
from searchloom.query.auth import Caller
from searchloom.query.chat.schemas import ChatRequest, NumberedPassage
from searchloom.query.chat.screening import visible
from searchloom.query.chat.support import Support
from searchloom.query.deadline import Deadline
from searchloom.query.retrieval import Retrieval
from searchloom.query.schemas import Result, SearchAnswer, SearchRequest
from searchloom.query.search import SearchPipeline
from searchloom.release.document import Release

log = logging.getLogger(__name__)

WEAK_OVERLAP = 0.3
"""A passage that holds less of the question's terms does not speak of it. On PubMedQA's training questions 98 % of the
judged passages hold more, and 32 % of the best ones of questions whose own passage was taken away."""

WEAK_COSINE = 0.5
"""Unless the vectors say that it does, in other words: 96 % of the judged passages are nearer to their question, and
33 % of the best others, with the packaged model."""


@dataclass(frozen=True, slots=True)
class Found:
    """Numbered passages, best first, and what search said of itself."""

    passages: Sequence[NumberedPassage]
    weak: bool
    search: SearchAnswer


class Finder:
    """Finds passages with the search pipeline of this process."""

    def __init__(self, pipeline: SearchPipeline, retrieval: Retrieval, admission: Admission, *, passages: int) -> None:
        self._pipeline = pipeline
        self._retrieval = retrieval
        self._admission = admission
        self._passages = passages

    async def find(
        self, question: str, request: ChatRequest, release: Release, caller: Caller, deadline: Deadline
    ) -> Found:
        """Return the passages for a question that this caller may see; raises what search raises."""
        search = SearchRequest(
            query=question,
            corpus=request.corpus,
            engine=request.engine,
            k=self._passages,
            highlight=False,
            explain=True,
            personalize=request.personalize,
        )
        async with self._admission.turn(deadline):
            answer = await self._pipeline.search(search, release, caller, deadline)
            texts = await self._texts(answer, release, caller, deadline)
        passages = [
            NumberedPassage(
                number=number,
                doc_id=result.doc_id,
                chunk_id=result.chunk_id,
                title=visible(result.title),
                section=visible(result.section),
                text=visible(texts[result.chunk_id]),
            )
            for number, result in enumerate((one for one in answer.results if one.chunk_id in texts), start=1)
        ]
        return Found(passages, _is_weak(question, passages, answer.results), answer)

    async def _texts(
        self, answer: SearchAnswer, release: Release, caller: Caller, deadline: Deadline
    ) -> dict[str, str]:
        """The whole text of each chunk found: search itself shows its head alone."""
        access, chunk_ids = caller.access, [result.chunk_id for result in answer.results]

        async def ask(searcher: Searcher, index: str) -> list[Hit]:
            return await searcher.chunks(index, access, chunk_ids=chunk_ids, timeout_s=deadline.remaining_s())

        hits = await self._retrieval.ask(release, access, deadline, ask, engine=answer.engine)
        return {hit.chunk_id: str(hit.source["text"]) for hit in hits}


def _is_weak(question: str, passages: Sequence[NumberedPassage], results: Sequence[Result]) -> bool:
    texts = [f"{passage.title} {passage.section} {passage.text}" for passage in passages]
    if Support(texts).strength(question) >= WEAK_OVERLAP:
        return False
    return max((_cosine(result) for result in results), default=-1.0) < WEAK_COSINE


def _cosine(result: Result) -> float:
    part = result.parts.vector if result.parts else None
    return part.score if part else -1.0
