"""Search, and which corpora can be searched."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from searchloom.query import failures
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.parts import Parts, caller_of, parts_of
from searchloom.query.schemas import Corpora, CorpusInfo, SearchAnswer, SearchRequest


def add(app: FastAPI) -> None:
    """Add ``POST /v1/search`` and ``GET /v1/corpora``."""

    @app.post("/v1/search", response_model=SearchAnswer, responses=failures.DOCUMENTED, tags=["search"])
    async def search(
        request: Request,
        body: SearchRequest,
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(caller_of)],
    ) -> Response:
        """Find documents: by words (BM25), by meaning (vectors), or by both."""
        deadline = Deadline.after(parts.settings.query.deadline_ms / 1000)
        release = parts.releases.live(body.corpus)
        answer = await parts.pipeline.search(body, release, caller.access, deadline)
        request.state.access |= {"corpus": body.corpus, "engine": answer.engine, "degraded": answer.degraded}
        return Response(answer.model_dump_json(), media_type="application/json")  # validated already: once is enough

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
