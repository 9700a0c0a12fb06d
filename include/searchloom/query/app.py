"""The query module's HTTP face: routes, and what they stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from searchloom import __version__
from searchloom.cloud.oss import Oss
from searchloom.engines.connect import searcher
from searchloom.engines.interface import Searcher
from searchloom.query import failures, page, tokens
from searchloom.query.auth import Authenticator, Caller, Unauthorized
from searchloom.query.deadline import Deadline
from searchloom.query.middleware import RequestEnvelope
from searchloom.query.model_services import ModelServices
from searchloom.query.releases import Releases
from searchloom.query.schemas import Corpora, CorpusInfo, Health, Readiness, SearchAnswer, SearchRequest
from searchloom.query.search import SearchPipeline
from searchloom.query.warm_up import WarmUp
from searchloom.settings import ENGINES, EngineName, Settings

PING_S = 1.0
_bearer = HTTPBearer(auto_error=False, description="a JWT with the claims sub, tenant and groups")


@dataclass(frozen=True)
class Parts:
    """What the routes stand on; made once per process."""

    settings: Settings
    authenticator: Authenticator
    releases: Releases
    services: ModelServices
    searchers: Mapping[EngineName, Searcher]
    pipeline: SearchPipeline


def create_app(settings: Settings) -> FastAPI:
    """Build the service; nothing is connected before it starts."""
    source = settings.query.jwks
    if not source and settings.profile == "local":
        source = str(tokens.ensure_keys(settings.state))
    authenticator = Authenticator(settings.query, source)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = _connect(settings, authenticator)
        app.state.parts = parts
        parts.releases.start(WarmUp(parts.searchers, parts.services, asyncio.get_running_loop()))
        yield
        parts.releases.stop()
        closing = [parts.services.close(), *(one.close() for one in parts.searchers.values())]
        await asyncio.gather(*closing, return_exceptions=True)

    app = FastAPI(
        title="Searchloom query module",
        version=__version__,
        summary="Search over the live release of each corpus.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(RequestEnvelope)
    failures.install(app)
    _add_routes(app)
    page.add(app, settings)
    return app


def _connect(settings: Settings, authenticator: Authenticator) -> Parts:
    services = ModelServices(settings)
    searchers: dict[EngineName, Searcher] = {name: searcher(settings, name) for name in ENGINES}
    pipeline = SearchPipeline(searchers, services, settings.query)
    return Parts(settings, authenticator, Releases(Oss(settings.oss)), services, searchers, pipeline)


def parts_of(request: Request) -> Parts:
    """Dependency: what this process stands on."""
    parts: Parts = request.app.state.parts
    return parts


async def caller_of(
    request: Request,
    parts: Annotated[Parts, Depends(parts_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Dependency: who asks. Tenant and groups come from the token and from nowhere else."""
    if credentials is None:
        raise Unauthorized("there is no token; send the header Authorization: Bearer <token>")
    token, check = credentials.credentials, parts.authenticator.check
    blocking = parts.authenticator.needs_keys(token)
    caller = await asyncio.to_thread(check, token) if blocking else check(token)
    request.state.access = {"user": caller.user, "tenant": caller.access.tenant}
    return caller


def _add_routes(app: FastAPI) -> None:
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
