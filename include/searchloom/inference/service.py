"""The embedding service over HTTP: ``POST /predictions/custom_emb``, as on EAS and TorchServe, and ``GET /health``.

FastAPI on granian in one process, not LitServe 0.2.19, which was tried first: it runs a manager, an API process and a
worker beside its parent; SIGTERM to the parent leaves them running with the port taken; one request that is refused in
its ``decode_request`` fails every other request of its batch; and a lone request waits for its queue's polling.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from searchloom.errors import NotFound, ServiceUnavailable, UsageError
from searchloom.inference.batching import Batcher
from searchloom.inference.handler import EmbeddingHandler

log = logging.getLogger(__name__)

PATH = "/predictions/custom_emb"
MAX_BODY = 512 * 1024
"""Bytes; 64,000 characters in any script, escaped, fit."""

_bearer = HTTPBearer(auto_error=False)


def create_app(handler: EmbeddingHandler, token: str) -> FastAPI:
    """Build the service around a handler; callers must send ``Authorization: Bearer {token}``.

    An empty ``token`` means that none is asked for: for a service that only loopback can reach.
    """
    batcher = Batcher(handler)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        feeding = asyncio.create_task(batcher.run())
        yield
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding

    app = FastAPI(title="Searchloom embedding service", lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.get("/health")
    async def health() -> dict[str, str | int]:
        """Say which model is served; it is loaded before the port opens."""
        return {"status": "ok", "version": handler.model.version, "dims": handler.model.dims}

    @app.post(PATH)
    async def custom_emb(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Response:
        """Turn ``{"texts": [...]}`` into ``{"version", "dims", "embeddings"}``."""
        if token and (credentials is None or not secrets.compare_digest(credentials.credentials, token)):
            return _refuse(401, "the bearer token is missing or wrong; send the one of settings.embedding.token")
        try:
            answer = await batcher.embed(handler.model.check(await _body(request)))
        except NotFound as error:
            return _refuse(404, str(error))
        except UsageError as error:
            return _refuse(422, str(error))
        except ServiceUnavailable as error:
            return _refuse(503, str(error))
        return Response(answer.model_dump_json(), media_type="application/json")

    return app


async def _body(request: Request) -> bytes:
    """Read the body, but never more than ``MAX_BODY`` bytes of it."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise UsageError(f"the body is larger than {MAX_BODY} bytes; send fewer texts at a time")
    return bytes(body)


def _refuse(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
