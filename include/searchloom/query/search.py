"""The search pipeline: understand, embed, ask an engine for words and meaning at once, fuse, rerank, order, show.

One release serves a request from its first step to its last, whatever is promoted meanwhile. A part that is down or
late is left out and named; only when nothing can answer does the search fail.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from msgspec import structs

from searchloom import tracing
from searchloom.engines.fusion import Ranked
from searchloom.engines.interface import Hit
from searchloom.engines.rank import chunk_of
from searchloom.errors import SearchloomError
from searchloom.query import documents, paging
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.documents import Stages
from searchloom.query.interleaving import Duel
from searchloom.query.paging import Position
from searchloom.query.personal import Ordered, PersonalOrder
from searchloom.query.rerank import Judge, Reranked, rerank
from searchloom.query.retrieval import Retrieval
from searchloom.query.schemas import QueryInfo, SearchAnswer, SearchRequest
from searchloom.query.work import Work
from searchloom.release.document import Release
from searchloom.settings import EngineName
from searchloom.settings import Query as QuerySettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown: the documents, each with the chunk that stands for it, and whether there are more."""

    documents: Sequence[Ranked]
    shown: dict[str, Hit]  # chunk_id -> the chunk with all its fields
    more: bool
    before: Sequence[str]  # documents that were passed over by an offset


class SearchPipeline:
    """Answers searches."""

    def __init__(
        self, retrieval: Retrieval, judge: Judge | None, personal: PersonalOrder, settings: QuerySettings
    ) -> None:
        self._retrieval = retrieval
        self._judge = judge
        self._personal = personal
        self._settings = settings

    async def search(
        self,
        request: SearchRequest,
        release: Release,
        caller: Caller,
        deadline: Deadline,
        position: Position | None = None,
        *,
        duel: Duel | None = None,
    ) -> SearchAnswer:
        """Return the documents of the release that this caller may see, best first.

        ``position`` is what the request's page token says, ``duel`` whose orders become one list. Raises
        ``ServiceUnavailable`` when no engine answers, or, in mode ``vector``, the embedding service does not.
        """
        work = Work.begin(request, release, caller, deadline)
        engine, found = await self._retrieval.find(work)
        with work.timing("fuse"):
            fused = documents.rank(work, found)
        reranked, texts = await self._reranked(work, engine, fused)
        if duel:
            ordered = await duel.drafted(fused, reranked.ranked, partial(self._ordered, work))
        else:
            ordered = await self._ordered(work, reranked.ranked)
        page = await self._page(work, engine, ordered.ranked, texts, position)
        stages = Stages(
            found=found,
            fused={one.doc_id: one for one in fused},
            rerank=reranked.scores,
            rerank_weight=self._weight(release),
            reranked={one.doc_id: one.score for one in reranked.ranked},
            ordered=ordered,
        )
        return self._answer(work, engine, page, stages, position)

    async def close(self) -> None:
        """Let go of what only searches use."""
        if self._judge:
            await self._judge.close()
        await self._personal.close()

    async def _reranked(self, work: Work, engine: EngineName, fused: list[Ranked]) -> tuple[Reranked, dict[str, Hit]]:
        """Let the reranker read the head, where there is one; also return the texts that were fetched for it."""
        say = self._judge.say(work.release) if self._judge else None
        if not (self._judge and say and fused and work.request.rerank and work.request.mode == "hybrid"):
            return Reranked(fused), {}
        texts: dict[str, Hit] = {}
        try:
            budget = work.deadline.share(0.7).earlier(self._settings.rerank_ms / 1000)
            with work.timing("rerank"):
                head, rest = fused[: say.depth], fused[say.depth :]
                texts = await self._retrieval.show(work, engine, [chunk_of(one.hit) for one in head], highlight=False)
                # A load may have deleted one just now.
                read = [
                    structs.replace(one, hit=texts[chunk_of(one.hit)]) for one in head if chunk_of(one.hit) in texts
                ]
                say = replace(say, depth=len(read))
                return await rerank(
                    self._judge, work.release, work.query, [*read, *rest], say=say, deadline=budget
                ), texts
        except SearchloomError as error:
            log.warning("searching without reranking: %s", error)
            work.leave_out("rerank")
            return Reranked(fused), texts

    async def _ordered(self, work: Work, ranked: Sequence[Ranked]) -> Ordered:
        """Let what knows the caller have its say."""
        if not work.request.personalize or not ranked:
            return Ordered(ranked)
        try:
            budget = work.deadline.share(0.5).earlier(self._settings.personal_ms / 1000)
            with work.timing("personal"):
                async with asyncio.timeout(budget.remaining_s()):
                    ordered = await self._personal.order(
                        ranked, work.caller, budget, release=work.release, query=work.query
                    )
            for part in ordered.missing:
                work.leave_out(part)
        except (SearchloomError, TimeoutError) as error:
            log.warning("searching without a personal order: %s", error or "it took too long")
            work.leave_out("personal")
            return Ordered(ranked)
        return ordered

    async def _page(
        self,
        work: Work,
        engine: EngineName,
        ranked: Sequence[Ranked],
        texts: dict[str, Hit],
        position: Position | None,
    ) -> Page:
        """Cut out the page that was asked for, and fetch what it shows.

        Only what is shown is fetched and highlighted: for all candidates it would take longer than finding them.
        """
        request = work.request
        rest = [one for one in ranked if not position.holds(one.doc_id)] if position else ranked[request.offset :]
        chosen = rest[: request.k]
        wanted = [chunk_of(one.hit) for one in chosen]
        if request.highlight or not texts.keys() >= set(wanted):
            with work.timing("passages"):
                texts = await self._retrieval.show(work, engine, wanted, highlight=request.highlight) if wanted else {}
        before = [] if position else [one.doc_id for one in ranked[: request.offset]]
        return Page(chosen, texts, len(rest) > len(chosen), before)

    def _weight(self, release: Release) -> float:
        say = self._judge.say(release) if self._judge else None
        return say.weight if say else 0.0

    def _answer(
        self, work: Work, engine: EngineName, page: Page, stages: Stages, position: Position | None
    ) -> SearchAnswer:
        request, understood = work.request, work.understood
        there = [
            one for one in page.documents if chunk_of(one.hit) in page.shown
        ]  # a load may have deleted one just now
        parts = documents.explain(stages, there) if request.explain else {}
        hits = [*(stages.found.lexical or []), *(stages.found.nearest or [])] if request.facets else []
        shown = [*page.before, *(one.doc_id for one in page.documents)]
        answer = SearchAnswer(
            query=QueryInfo(
                text=understood.text,
                language=understood.language,
                identifiers=list(understood.identifiers),
                phrases=list(understood.phrases),
                corrected=work.corrected,
            ),
            corpus=request.corpus,
            release=work.release.number,
            trace_id=tracing.trace_id(),
            engine=engine,
            mode=request.mode,
            took_ms=round((time.perf_counter() - work.started) * 1000, 2),
            degraded=work.degraded,
            results=[documents.result(one, page.shown[chunk_of(one.hit)], parts.get(one.doc_id)) for one in there],
            facets=documents.facets(hits, request.facets) if request.facets else None,
            next_page=paging.token(request, work.access, work.release.number, position, shown) if page.more else None,
            timings=work.timings if request.explain else None,
            personal=stages.ordered.version,
        )
        answer.tell(documents.told(stages, there), stages.ordered.teams)
        return answer
