"""What those who run the service ask: is it alive, is it ready."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Response

from searchloom.engines.interface import Searcher
from searchloom.query.parts import Parts, parts_of
from searchloom.query.schemas import Health, Readiness

PING_S = 1.0


def add(app: FastAPI) -> None:
    """Add ``GET /healthz`` and ``GET /readyz``."""

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
    async def readyz(response: Response, parts: Annotated[Parts, Depends(parts_of)]) -> Readiness:
        """Say whether searches can be served: an engine answers, and the releases were read."""
        known = parts.releases.known
        *engines, embedding = await asyncio.gather(
            *(_answers(one) for one in parts.searchers.values()), parts.services.ping((known or {}).values())
        )
        ready = any(engines) and known is not None
        response.status_code = 200 if ready else 503
        return Readiness(
            ready=ready,
            engines=dict(zip(parts.searchers, engines, strict=True)),
            embedding=embedding,
            releases=None if known is None else len(known),
        )


async def _answers(one: Searcher) -> bool:
    try:
        async with asyncio.timeout(PING_S):
            return await one.ping()
    except TimeoutError:
        return False
