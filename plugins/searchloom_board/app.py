"""The board's web application, mounted into Airflow's API server; Airflow's own permissions decide who sees what."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader

from alibaba_ai.hooks.oss import OssHook
from searchloom.embedding.card import Kind
from searchloom.errors import NotFound, SearchloomError, ServiceNotFound
from searchloom.settings import CORPUS_PATTERN
from searchloom_board import board, pictures

log = logging.getLogger(__name__)

PREFIX = "/release-board"
READ_DAG = "train_models"
"""Who may read this DAG may read the board."""
ROLLBACK_DAG = "rollback_release"
"""Who may trigger this DAG sees the button; the button triggers it by Airflow's own API."""

_VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_FOLDER = Path(__file__).parent / "templates"
_templates = Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_templates.globals |= {
    "interval": pictures.interval, "span": pictures.span, "shift": pictures.shift, "trend": pictures.trend
}  # fmt: skip

_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'"
_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_FILES = {
    "board.css": "text/css; charset=utf-8",
    "board.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "icon-dark.svg": "image/svg+xml",
}

app = FastAPI(title="Release board", docs_url=None, redoc_url=None, openapi_url=None)


async def reader(user: Annotated[Any, Depends(get_user)]) -> Any:
    """The user, who may read the DAG that makes releases; 403 for anybody else, 401 for nobody."""
    if not get_auth_manager().is_authorized_dag(method="GET", details=DagDetails(id=READ_DAG), user=user):
        raise HTTPException(403, f"your role may not read the DAG {READ_DAG}; ask an administrator of this Airflow")
    return user


User = Annotated[Any, Depends(reader)]


@app.middleware("http")
async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Let nothing but our own files into the page, and tell a failure of the bucket in one sentence."""
    try:
        response = await call_next(request)
    except SearchloomError as error:
        log.warning("The release board could not be read: %s", error)
        response = HTMLResponse(_page("trouble.html", sentence=str(error)), status_code=502)
    response.headers.update(_HEADERS)
    return response


@app.get("/", response_class=HTMLResponse)
def show(user: User, corpus: Annotated[str | None, Query(pattern=CORPUS_PATTERN)] = None) -> Response:
    """The board of one corpus; without a name, of ``default`` or the first."""
    oss = OssHook().get_conn()
    known = board.corpora(oss)
    if corpus is None and known:
        chosen = "default" if "default" in known else known[0]
        return RedirectResponse(f"{PREFIX}/?corpus={chosen}", status_code=302)
    if corpus is not None and corpus not in known:
        raise HTTPException(404, f"no corpus {corpus!r} was released; known: {', '.join(known) or 'none'}")
    content = board.read(oss, corpus) if corpus else None
    return HTMLResponse(_page("board.html", board=content, may_roll_back=_may_roll_back(user)))


@app.get("/curves/{kind}/{version}.svg")
def curve(user: User, kind: Kind, version: str) -> Response:  # noqa: ARG001  who asks is checked
    """The picture of one training."""
    try:
        return Response(board.curve(OssHook().get_conn(), kind, version), media_type="image/svg+xml")
    except (ServiceNotFound, NotFound) as error:
        raise HTTPException(404, f"the training of {version} left no picture") from error


@app.get("/{name}")
def file(name: str) -> Response:
    """The page's own script, style and icons."""
    if name not in _FILES:
        raise HTTPException(404, f"the release board has no page {name!r}")
    return Response((_FOLDER / name).read_bytes(), media_type=_FILES[name])


def _page(template: str, **content: Any) -> str:
    return _templates.get_template(template).render(prefix=PREFIX, rollback_dag=ROLLBACK_DAG, **content)


def _may_roll_back(user: Any) -> bool:
    details = DagDetails(id=ROLLBACK_DAG)
    return bool(
        get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
        )
    )
