"""Search, and which corpora can be searched."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request, Response
from starlette.background import BackgroundTask

from searchloom.query import arms, failures, paging
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.events.expose import search_shown
from searchloom.query.interleaving import Duel
from searchloom.query.parts import Parts, caller_of, parts_of
from searchloom.query.schemas import MAX_QUERY, Corpora, CorpusInfo, SearchAnswer, SearchRequest, Suggestions
from searchloom.query.suggest import suggest
from searchloom.settings import CORPUS_PATTERN


def add(app: FastAPI) -> None:
    """Add ``POST /v1/search``, ``GET /v1/suggest`` and ``GET /v1/corpora``."""

    @app.post("/v1/search", response_model=SearchAnswer, responses=failures.DOCUMENTED, tags=["search"])
    async def search(
        request: Request,
        body: SearchRequest,
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(caller_of)],
    ) -> Response:
        """Find documents: by words (BM25), by meaning (vectors), or by both."""
        deadline = Deadline.after(parts.settings.query.deadline_ms / 1000)
        mine = arms.dealt(parts.settings.experiment, caller)
        body = arms.in_arm(body, mine)
        duel = Duel.of(parts.settings.experiment, body, caller)
        position = paging.read(body, caller.access)
        live = parts.releases.live(body.corpus)
        release = parts.releases.numbered(body.corpus, position.release) if position else live
        async with parts.admission.turn(deadline):
            answer = await parts.pipeline.search(body, release, caller, deadline, position, duel=duel)
        answer.arm = mine.name if mine else None
        request.state.access |= {"corpus": body.corpus, "engine": answer.engine, "degraded": answer.degraded}

        async def note() -> None:
            first = len(position.shown) + 1 if position else 1
            parts.channels.events.note(search_shown(answer, caller, first=first))

        # Validated already: once is enough. What was shown is noted when it has been sent: nobody waits for that.
        noting = BackgroundTask(note) if body.record and parts.settings.events.expose else None
        return Response(answer.model_dump_json(), media_type="application/json", background=noting)

    @app.get("/v1/suggest", responses=failures.of(401, 403, 404, 422, 429, 500, 503, 504), tags=["search"])
    async def suggestions(
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(caller_of)],
        prefix: Annotated[str, Query(min_length=1, max_length=MAX_QUERY, description="the words typed so far")],
        corpus: Annotated[str, Query(pattern=CORPUS_PATTERN)] = "default",
        k: Annotated[int, Query(ge=1, le=20)] = 8,
    ) -> Suggestions:
        """Suggest what the words typed so far may become: titles of documents that the caller may see."""
        deadline = Deadline.after(parts.settings.query.deadline_ms / 1000)
        release = parts.releases.live(corpus)
        async with parts.admission.turn(deadline):
            return await suggest(parts.retrieval, prefix, release, caller.access, deadline, k=k)

    documented: failures.Documented = {status: failures.DOCUMENTED[status] for status in (401, 500, 503)}

    @app.get("/v1/corpora", responses=documented, tags=["search"])
    async def corpora(
        parts: Annotated[Parts, Depends(parts_of)], _caller: Annotated[Caller, Depends(caller_of)]
    ) -> Corpora:
        """List the corpora that have a live release."""
        live = parts.releases.known or {}
        return Corpora(
            corpora=[
                CorpusInfo(
                    corpus=name,
                    release=one.number,
                    embedding=one.embedding.version,
                    reranker=one.reranker.version if one.reranker else None,
                    created=one.created,
                )
                for name, one in sorted(live.items())
            ]
        )
