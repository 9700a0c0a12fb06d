"""The passages of an answer: what search finds for the question, on the same pipeline, as whole chunks of text."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from searchloom.engines.interface import Hit, Searcher
from searchloom.query.admission import Admission
from searchloom.query.auth import Caller
from searchloom.query.chat.schemas import ChatRequest, NumberedPassage
from searchloom.query.chat.screening import visible
from searchloom.query.chat.words import overlap, terms
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
    """Numbered passages that speak of the question, best first (maybe none), and what search said of itself."""

    passages: Sequence[NumberedPassage]
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
        speaking = [one for one in answer.results if _speaks(question, one, texts)]
        passages = [
            NumberedPassage(
                number=number,
                doc_id=result.doc_id,
                chunk_id=result.chunk_id,
                title=visible(result.title),
                section=visible(result.section),
                text=visible(texts[result.chunk_id]),
            )
            for number, result in enumerate(speaking, start=1)
        ]
        return Found(passages, answer)

    async def _texts(
        self, answer: SearchAnswer, release: Release, caller: Caller, deadline: Deadline
    ) -> dict[str, str]:
        """The whole text of each chunk found: search itself shows its head alone."""
        access, chunk_ids = caller.access, [result.chunk_id for result in answer.results]

        async def ask(searcher: Searcher, index: str) -> list[Hit]:
            return await searcher.chunks(index, access, chunk_ids=chunk_ids, timeout_s=deadline.remaining_s())

        hits = await self._retrieval.ask(release, access, deadline, ask, engine=answer.engine)
        return {hit.chunk_id: str(hit.source["text"]) for hit in hits}


def speaks_of(question: str, text: str, cosine: float = -1.0) -> bool:
    """Whether a passage is about a question at all; what is not would only mislead the model, or be read out by it."""
    return cosine >= WEAK_COSINE or overlap(terms(question), terms(text)) >= WEAK_OVERLAP


def _speaks(question: str, result: Result, texts: Mapping[str, str]) -> bool:
    if result.chunk_id not in texts:  # deleted since it was found
        return False
    text = f"{result.title} {result.section} {texts[result.chunk_id]}"
    return speaks_of(question, text, result.parts.vector.score if result.parts and result.parts.vector else -1.0)
