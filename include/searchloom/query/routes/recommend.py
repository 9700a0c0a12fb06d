"""Recommendations."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from searchloom.query import arms, failures
from searchloom.query.auth import Caller
from searchloom.query.deadline import Deadline
from searchloom.query.events.expose import shown
from searchloom.query.events.schema import Record
from searchloom.query.parts import Parts, caller_of, parts_of
from searchloom.query.recommend.schemas import RecommendAnswer, RecommendRequest


def add(app: FastAPI) -> None:
    """Add ``POST /v1/recommend``."""
    documented = failures.of(400, 401, 404, 413, 422, 429, 500, 503, 504)

    @app.post("/v1/recommend", response_model=RecommendAnswer, responses=documented, tags=["recommend"])
    async def recommend(
        request: Request,
        body: RecommendRequest,
        parts: Annotated[Parts, Depends(parts_of)],
        caller: Annotated[Caller, Depends(caller_of)],
    ) -> Response:
        """Recommend documents: to the user, next to a document, or in a conversation."""
        deadline = Deadline.after(parts.settings.query.deadline_ms / 1000)
        release = parts.releases.live(body.corpus)
        request.state.access |= {"corpus": body.corpus}
        mine = arms.dealt(parts.settings.experiment, caller)
        body = arms.in_arm(body, mine)
        async with parts.admission.turn(deadline):
            answer = await parts.channels.recommender.recommend(body, release, caller, deadline)
        answer.arm = mine.name if mine else None
        request.state.access |= {"degraded": answer.degraded}
        if parts.settings.events.expose:
            parts.channels.events.note(_exposed(answer, caller))
        return Response(answer.model_dump_json(), media_type="application/json")


def _exposed(answer: RecommendAnswer, caller: Caller) -> list[Record]:
    return [
        record
        for place, one in enumerate(answer.results, start=1)
        for record in shown(
            [one.doc_id],
            caller,
            corpus=answer.corpus,
            release=answer.release,
            scene=answer.scene,
            trace_id=one.trace_id,
            arm=answer.arm,
            first=place,
        )
    ]
