"""The search page: three static files, and, in the local profile only, a token to try it with."""

from __future__ import annotations

import html
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from searchloom.query import tokens
from searchloom.settings import Settings

FOLDER = Path(__file__).parent / "page"
DEMO_USER = "demo"
_PLACE = "{{demo_token}}"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _Assets(StaticFiles):
    """Static files that a browser asks for again: a new version is seen at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def add(app: FastAPI, settings: Settings) -> None:
    """Serve the page at ``/`` and its files below ``/page/``."""
    index = (FOLDER / "index.html").read_text(encoding="utf-8")
    demo = settings.query.demo_token and settings.profile == "local" and _is_loopback(settings.query.url)
    app.mount("/page", _Assets(directory=FOLDER), name="page")

    @app.get("/", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        # The Host header is checked too: a foreign name that resolves to loopback must not read the token.
        token = tokens.sign(settings, user=DEMO_USER) if demo and _is_loopback(str(request.url)) else ""
        return HTMLResponse(index.replace(_PLACE, html.escape(token)), headers=_HEADERS)


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
