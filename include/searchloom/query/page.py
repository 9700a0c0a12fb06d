"""The search page at ``/``: its files, and, in the local profile only, a token to try it with."""

from __future__ import annotations

import html
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from searchloom.query import tokens
from searchloom.query.page_files import PageFiles
from searchloom.settings import Settings

FOLDER = Path(__file__).parent / "page"
DEMO_USER = "demo"
_PARTS = ("suggest", "chat", "recommend", "events")
"""Routes below ``/v1/`` that the page can do without: what is not there is not shown."""
_HEADERS = {
    # Trusted types: even a mistake in the page cannot turn a document's text into markup. Only the template library
    # may write markup, and it writes only what stands in the page's own files.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types lit-html"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def add(app: FastAPI, settings: Settings) -> None:
    """Serve the page at ``/`` and its files below ``/page/{version}/``."""
    files = PageFiles(FOLDER)
    index = (FOLDER / "index.html").read_text(encoding="utf-8").replace("{{version}}", files.version)
    demo = settings.query.demo_token and settings.profile == "local" and _is_loopback(settings.query.url)

    @app.get("/page/{version}/{name:path}", include_in_schema=False)
    async def file(request: Request, version: str, name: str) -> Response:
        return files.answer(request, version, name)

    @app.get("/", include_in_schema=False)
    async def show(request: Request) -> HTMLResponse:
        # The Host header is checked too: a foreign name that resolves to loopback must not read the token.
        token = tokens.sign(settings, user=DEMO_USER) if demo and _is_loopback(str(request.url)) else ""
        parts = " ".join(part for part in _PARTS if _has(app, f"/v1/{part}"))
        page = index.replace("{{parts}}", parts).replace("{{demo_token}}", html.escape(token))
        return HTMLResponse(page, headers=_HEADERS)


def _has(app: FastAPI, path: str) -> bool:
    return any(getattr(route, "path", None) == path for route in app.routes)


def _is_loopback(url: str) -> bool:
    try:
        name = urlsplit(url).hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
