"""The query module's HTTP face: what it stands on is connected here, and every route is added."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from searchloom import __version__, tracing
from searchloom.engines.interface import Searcher
from searchloom.engines.reading import searcher
from searchloom.query import channels, failures, page, tokens
from searchloom.query.admission import Admission
from searchloom.query.airec_weights import AirecWeights
from searchloom.query.audit import Pseudonyms
from searchloom.query.auth import Authenticator
from searchloom.query.chat.conversations import FILE, Conversations
from searchloom.query.chat.host_memory import HostMemory
from searchloom.query.limits import Limits
from searchloom.query.middleware import RequestEnvelope
from searchloom.query.model_services import ModelServices
from searchloom.query.parts import Parts
from searchloom.query.personal import Impersonal
from searchloom.query.personal_models import PersonalModels
from searchloom.query.personal_order import ModelOrder
from searchloom.query.recommend.airec import AirecSource
from searchloom.query.recommend.behaviour import Behaviour
from searchloom.query.releases import Releases
from searchloom.query.rerank import judge
from searchloom.query.retrieval import Retrieval
from searchloom.query.routes import admin, chat, events, operations, recommend, search
from searchloom.query.search import SearchPipeline
from searchloom.query.store import open_store
from searchloom.query.warm_up import WarmUp
from searchloom.settings import ENGINES, EngineName, Settings


def create_app(settings: Settings) -> FastAPI:
    """Build the service; nothing is connected before it starts."""
    source = settings.query.jwks
    if not source and settings.profile == "local":
        source = str(tokens.ensure_keys(settings.state))
    authenticator = Authenticator(settings.query, source)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings.query.otlp_endpoint:
            tracing.export_to(settings.query.otlp_endpoint, "searchloom-query")
        parts = _connect(settings, authenticator)
        app.state.parts = parts
        parts.channels.start()
        parts.personal.start()
        parts.releases.start(WarmUp(parts.searchers, parts.services, asyncio.get_running_loop()))
        yield
        parts.releases.stop()
        await parts.channels.stop()
        await asyncio.gather(parts.pipeline.close(), parts.retrieval.close(), return_exceptions=True)
        await asyncio.to_thread(parts.personal.stop)
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
    app.state.settings, app.state.draining = settings, False
    app.add_middleware(RequestEnvelope)
    failures.install(app)
    for routes in (search, chat, recommend, events, admin):
        routes.add(app)
    operations.add(app)
    page.add(app, settings)
    return app


def _connect(settings: Settings, authenticator: Authenticator) -> Parts:
    services = ModelServices(settings)
    searchers: dict[EngineName, Searcher] = {name: searcher(settings, name) for name in ENGINES}
    retrieval = Retrieval(searchers, services, settings.query)
    opening = partial(open_store, settings.oss)
    airec, behaviour = AirecSource(settings), Behaviour()
    memory = HostMemory(Conversations(settings.state / FILE, settings.chat))

    def forget(erased: Mapping[str, float]) -> None:
        behaviour.forget(erased)
        memory.erase(erased)

    personal = PersonalModels(settings.personal, settings.state, opening, forget)
    order = ModelOrder(personal, AirecWeights(airec), settings.personal) if settings.personal.enabled else Impersonal()
    pipeline = SearchPipeline(retrieval, judge(settings, services), order, settings.query)
    admission, limits = Admission(settings.query), Limits(settings.limits)
    return Parts(
        settings,
        authenticator,
        Releases(opening),
        services,
        searchers,
        retrieval,
        pipeline,
        admission,
        limits,
        Pseudonyms(settings.query.pseudonym_key),
        channels.connect(
            settings,
            pipeline=pipeline,
            retrieval=retrieval,
            services=services,
            limits=limits,
            admission=admission,
            open_store=opening,
            airec=airec,
            behaviour=behaviour,
            personal=personal,
            memory=memory,
        ),
        personal,
    )
