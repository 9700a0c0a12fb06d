"""A model over HTTP: ``POST /predictions/custom_emb`` or ``custom_rerank``, as on EAS and TorchServe; ``GET /health``.

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
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from searchloom.errors import NotFound, ServiceUnavailable, UsageError
from searchloom.inference.batching import Batcher
from searchloom.inference.handler import Handler
from searchloom.release.wire import HEALTH_PATH

log = logging.getLogger(__name__)

MAX_BODY = 3 * 1024 * 1024
"""Bytes; what a handler takes of characters, in any script, escaped, fits."""

_bearer = HTTPBearer(auto_error=False)


def create_app(handler: Handler[Any, Any], token: str) -> FastAPI:
    """Build the service around a handler; callers must send ``Authorization: Bearer {token}``.

    An empty ``token`` means that none is asked for: for a service that only loopback can reach.
    """
    batcher = Batcher(handler)
    model = handler.model

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        feeding = asyncio.create_task(batcher.run())
        yield
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding

    app = FastAPI(title="Searchloom model service", lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.get(HEALTH_PATH)
    async def health() -> dict[str, str | int]:
        """Say which model is served; it is loaded before the port opens."""
        return {"status": "ok", "version": model.version} | ({"dims": model.dims} if model.dims else {})

    @app.post(handler.path)
    async def predict(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Response:
        """Turn a request into what the model makes of it; see ``handler``."""
        if token and (credentials is None or not secrets.compare_digest(credentials.credentials, token)):
            return _refuse(401, "the bearer token is missing or wrong; send the one of settings.embedding.token")
        try:
            answer = await batcher.answer(handler.check(await _body(request)))
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
            raise UsageError(f"the body is larger than {MAX_BODY} bytes; send less at a time")
    return bytes(body)


def _refuse(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)
