"""What those who run the service ask: is it alive, is it ready, how does it do."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from searchloom.engines.interface import Searcher
from searchloom.query import metrics
from searchloom.query.parts import Parts, parts_of
from searchloom.query.schemas import Health, Readiness

PING_S = 1.0


def add(app: FastAPI) -> None:
    """Add ``GET /healthz``, ``GET /readyz`` and ``GET /metrics``."""

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> Health:
        """Say that the process is alive."""
        return Health()

    @app.get(
        "/readyz",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Not ready"}},
        tags=["operations"],
    )
    async def readyz(request: Request, response: Response, parts: Annotated[Parts, Depends(parts_of)]) -> Readiness:
        """Say whether searches are taken: an engine answers, the releases were read, and nobody has asked to stop."""
        known = parts.releases.known
        *engines, embedding = await asyncio.gather(
            *(_answers(one) for one in parts.searchers.values()), parts.services.ping((known or {}).values())
        )
        draining: bool = request.app.state.draining
        ready = any(engines) and known is not None and not draining
        metrics.ready(is_ready=ready)
        response.status_code = 200 if ready else 503
        return Readiness(
            ready=ready,
            engines=dict(zip(parts.searchers, engines, strict=True)),
            embedding=embedding,
            releases=None if known is None else len(known),
            draining=draining,
        )

    @app.get("/metrics", response_class=PlainTextResponse, tags=["operations"])
    async def measured() -> Response:
        """Tell Prometheus how this process does."""
        return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)


async def _answers(one: Searcher) -> bool:
    try:
        async with asyncio.timeout(PING_S):
            return await one.ping()
    except TimeoutError:
        return False
