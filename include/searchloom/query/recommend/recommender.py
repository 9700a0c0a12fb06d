"""Which documents a reader may want next: the personal model's and AIRec's, then neighbours by meaning, then popular.

Whatever a source names, what is shown was fetched from an engine under the caller's own rights: a document of another
tenant, or of a group that the caller is not in, cannot come, whoever recommends it.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from searchloom import tracing
from searchloom.cloud.airec_names import trace_of
from searchloom.engines.interface import Hit, Searcher
from searchloom.errors import NotFound, SearchloomError
from searchloom.query.auth import Caller
from searchloom.query.chat.memory import Memory, Owner, Turn
from searchloom.query.chat.screening import visible
from searchloom.query.deadline import Deadline
from searchloom.query.degraded import Degradable
from searchloom.query.model_services import ModelServices
from searchloom.query.personal_models import PersonalModels, Serving
from searchloom.query.recommend.airec import AirecSource
from searchloom.query.recommend.behaviour import Behaviour
from searchloom.query.recommend.schemas import RecommendAnswer, Recommended, RecommendRequest, Source
from searchloom.query.retrieval import Retrieval
from searchloom.release.document import Release

if TYPE_CHECKING:
    from searchloom.personalization.serve import Placed

log = logging.getLogger(__name__)

_TEXT_CHARS = 300
_NEIGHBOURS = 50  # chunks asked for around one document
_NEAR = 3  # documents that the neighbours of a reader's interests are taken from
_SPARE = 3  # times as many are asked for as are wanted: some were read, some are not for the caller

REASONS: dict[Source, str] = {
    "personal": "Chosen for you from what you read",
    "airec": "Chosen for you from what you and others read",
    "similar": "Much like {title}",
    "popular": "Read much lately",
}


_OF_PERSON = {
    "related": "Readers of {title} went on to it",
    "alike": "Much like {title}",
    "popular": REASONS["popular"],
    "query": REASONS["personal"],
    "new": "New, and like what you read",
}
_PERSONAL_S = 0.5


@dataclass(frozen=True, slots=True)
class _Candidate:
    doc_id: str
    score: float
    source: Source
    reason: str
    trace_id: str
    hit: Hit | None = None


@dataclass(slots=True)
class _Work(Degradable):
    """One answer under way."""

    request: RecommendRequest
    release: Release
    caller: Caller
    deadline: Deadline
    trace_id: str = field(default_factory=lambda: tracing.trace_id() or uuid.uuid4().hex)
    excluded: set[str] = field(default_factory=set)
    near: Sequence[Hit] = ()  # documents that the wish is about, as far as the caller may see them
    question: str = ""
    chosen: list[Recommended] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """How many documents are still wanted."""
        return self.request.k - len(self.chosen)


class Recommender:
    """Answers with an engine, AIRec, the embedding service, and what it knows of behaviour."""

    def __init__(
        self,
        retrieval: Retrieval,
        services: ModelServices,
        airec: AirecSource,
        behaviour: Behaviour,
        memory: Memory,
        *,
        personal: PersonalModels,
    ) -> None:
        self._retrieval = retrieval
        self._services = services
        self._airec = airec
        self._behaviour = behaviour
        self._memory = memory
        self._personal = personal

    async def recommend(
        self, request: RecommendRequest, release: Release, caller: Caller, deadline: Deadline
    ) -> RecommendAnswer:
        """Return documents that this caller may see, best first.

        Raises ``NotFound`` for an item that is not there for the caller, and ``ServiceUnavailable`` when no engine
        answers.
        """
        work = _Work(request, release, caller, deadline)
        if request.personalize:
            work.excluded.update(self._behaviour.read(caller, request.corpus))
        await self._begin(work)
        async for candidates in self._candidates(work):
            await self._choose(work, candidates)
            if not work.missing:
                break
        return RecommendAnswer(
            corpus=request.corpus,
            release=release.number,
            scene=request.scene,
            trace_id=work.trace_id,
            results=work.chosen,
            degraded=work.degraded,
        )

    async def _begin(self, work: _Work) -> None:
        """Find out what the wish is about; what of it the caller may not see is not there."""
        request = work.request
        about: list[str] = []
        if request.scene == "similar" and request.item:
            about = [request.item]
        elif request.scene == "rag_context" and request.conversation_id:
            for turn in await self._said(work, request.conversation_id):
                work.question = turn.question
                about = [*turn.doc_ids, *(one for one in about if one not in turn.doc_ids)]
        elif request.personalize:
            about = list(self._behaviour.liked(work.caller, request.corpus))
        work.excluded.update(about)
        work.near = await self._visible(work, about[:_NEAR], vectors=True)
        if request.scene == "similar" and not work.near:
            raise NotFound(f"there is no document {request.item!r} for you in corpus {request.corpus!r}")

    async def _said(self, work: _Work, conversation_id: str) -> Sequence[Turn]:
        try:
            turns = await self._memory.turns(Owner.of(work.caller, work.request.corpus), conversation_id)
        except SearchloomError as error:
            log.warning("recommending without the conversation: %s", error)
            turns = None
        if turns is None:
            work.leave_out("memory")
        return turns or ()

    async def _candidates(self, work: _Work) -> AsyncIterator[list[_Candidate]]:
        if work.request.personalize:
            of_airec = await self._of_airec(work)
            yield await self._of_person(work, of_airec)
            yield of_airec
        yield await self._of_question(work)
        for hit in work.near:
            yield await self._neighbours(work, hit.source["embedding"], _named(hit))
        popular = self._behaviour.popular(work.caller.access.tenant, work.request.corpus, _wanted(work))
        yield [_Candidate(item, score, "popular", REASONS["popular"], work.trace_id) for item, score in popular]

    async def _of_airec(self, work: _Work) -> list[_Candidate]:
        items = [hit.doc_id for hit in work.near] if work.request.scene != "home" else []
        try:
            found = await self._airec.recommend(
                work.caller, corpus=work.request.corpus, count=_wanted(work), items=items, deadline=work.deadline
            )
        except SearchloomError as error:
            log.warning("recommending without AIRec: %s", error)
            work.leave_out("airec")
            return []
        return [_Candidate(one.item_id, one.weight, "airec", REASONS["airec"], trace_of(one)) for one in found]

    async def _of_person(self, work: _Work, of_airec: Sequence[_Candidate]) -> list[_Candidate]:
        """What the corpus' personal model says, AIRec's weights blended in; at home alone, it knows of no occasion."""
        if work.request.scene != "home":
            return []
        weights = {one.doc_id: one.score for one in of_airec}
        try:
            serving = self._personal.serving(work.release.corpus)
            if serving is None:
                return []
            async with asyncio.timeout(work.deadline.share(0.3).earlier(_PERSONAL_S).remaining_s()):
                placed = await asyncio.to_thread(_listed, serving, work.caller, work.request.k * _SPARE, weights)
        except (SearchloomError, TimeoutError) as error:
            log.warning("recommending without the personal model: %s", error or "it took too long")
            work.leave_out("personal")
            return []
        reasons = await self._told(work, placed)
        traces = {one.doc_id: one.trace_id for one in of_airec}
        return [
            _Candidate(one.item_id, one.score, "personal", reason, traces.get(one.item_id, work.trace_id))
            for one, reason in zip(placed, reasons, strict=True)
        ]

    async def _told(self, work: _Work, placed: Sequence[Placed]) -> list[str]:
        """The reasons as sentences; a document that is not the caller's to see any more is not named."""
        kinds = [one.reason.partition(":") for one in placed]
        named = {
            hit.doc_id: _named(hit) for hit in await self._visible(work, [*{item for _, _, item in kinds if item}])
        }
        return [_OF_PERSON[kind].format(title=named.get(item, "what you read")) for kind, _, item in kinds]

    async def _of_question(self, work: _Work) -> list[_Candidate]:
        """Neighbours of what a conversation is about."""
        if not work.question:
            return []
        try:
            budget = work.deadline.share(0.5)
            vector = await self._services.embed(work.question, work.release.embedding, budget)
        except SearchloomError as error:
            log.warning("recommending without the question's vector: %s", error)
            work.leave_out("embedding")
            return []
        return await self._neighbours(work, vector, "what you ask about")

    async def _neighbours(self, work: _Work, vector: Sequence[float], title: str) -> list[_Candidate]:
        access, deadline = work.caller.access, work.deadline

        async def ask(searcher: Searcher, index: str) -> list[Hit]:
            left = deadline.remaining_s()
            return await searcher.vector(index, vector, access, size=_NEIGHBOURS, timeout_s=left)

        hits = await self._retrieval.ask(work.release, access, deadline, ask)
        reason = REASONS["similar"].format(title=title)
        return [_Candidate(hit.doc_id, hit.score, "similar", reason, work.trace_id, hit) for hit in hits]

    async def _choose(self, work: _Work, candidates: Sequence[_Candidate]) -> None:
        """Take the first of these that may be shown, and were not."""
        fresh: dict[str, _Candidate] = {}
        for one in candidates:
            if one.doc_id not in work.excluded and one.doc_id not in fresh:
                fresh[one.doc_id] = one
        unseen = [one.doc_id for one in fresh.values() if one.hit is None]
        hits = {hit.doc_id: hit for hit in await self._visible(work, unseen)} if unseen else {}
        for one in fresh.values():
            hit = one.hit or hits.get(one.doc_id)
            if hit is not None and work.missing:
                work.chosen.append(_recommended(one, hit))
                work.excluded.add(one.doc_id)

    async def _visible(self, work: _Work, doc_ids: Sequence[str], *, vectors: bool = False) -> list[Hit]:
        """The first chunks of those documents that the caller may see, in the order of the ids."""
        if not doc_ids:
            return []
        access, deadline = work.caller.access, work.deadline

        async def ask(searcher: Searcher, index: str) -> list[Hit]:
            left = deadline.remaining_s()
            return await searcher.chunks(index, access, doc_ids=doc_ids, vectors=vectors, timeout_s=left)

        found = {hit.doc_id: hit for hit in await self._retrieval.ask(work.release, access, deadline, ask)}
        return [found[one] for one in doc_ids if one in found]


def _listed(serving: Serving, caller: Caller, count: int, weights: Mapping[str, float]) -> list[Placed]:
    person = serving.persons.get(caller.user, caller.access.tenant)
    return serving.personal.recommend(person, count, time.time(), others=weights or None)


def _wanted(work: _Work) -> int:
    return work.request.k * _SPARE + len(work.excluded)


def _recommended(one: _Candidate, hit: Hit) -> Recommended:
    return Recommended(
        doc_id=one.doc_id,
        title=visible(hit.source["title"]),
        section=visible(hit.source["section"]),
        text=visible(hit.source["text"])[:_TEXT_CHARS],
        score=round(one.score, 6),
        reason=one.reason,
        source=one.source,
        trace_id=one.trace_id,
    )


def _named(hit: Hit) -> str:
    return visible(hit.source["title"]) or "what you read"
