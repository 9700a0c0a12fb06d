"""How a model service is asked: paths, headers and bodies, the same for whoever serves and whoever calls.

Services of PAI-EAS answer at ``.../api/predict/{service}`` and take the bare token; our own, at
``settings.embedding.url``, take a bearer token. Below either address the paths are the same.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

EMBED_PATH = "/predictions/custom_emb"
"""``{"texts": [...], "version"}`` -> ``{"version", "dims", "embeddings": [[...], ...]}``."""

RERANK_PATH = "/predictions/custom_rerank"
"""``{"query", "passages": [...], "version"}`` -> ``{"version", "scores": [...]}``."""

HEALTH_PATH = "/health"

_GATEWAY = "/api/predict/"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def service_name(url: str) -> str:
    """Return the name of the PAI-EAS service at a URL; empty for any other address."""
    _, gateway, rest = url.partition(_GATEWAY)
    return rest.split("/", 1)[0] if gateway else ""


def address(url: str, gateway: str) -> str:
    """Return where a service of PAI-EAS answers now, given the address of the API (``settings.acs.endpoint``).

    The local cloud may come up at another port than the one that a release was written with.
    """
    then, now = urlsplit(url), urlsplit(gateway)
    if service_name(url) and then.hostname in _LOOPBACK and now.hostname in _LOOPBACK:
        return urlunsplit(then._replace(netloc=now.netloc))
    return url


def headers(url: str, token: SecretStr) -> dict[str, str]:
    """Return what opens the service at this URL."""
    secret = token.get_secret_value()
    if not secret:
        return {}
    return {"Authorization": secret if service_name(url) else f"Bearer {secret}"}


def wrong_answer(answer: Any, *, version: str, dims: int = 0, count: int) -> str:
    """Say in half a sentence what is wrong with a service's answer; empty where nothing is.

    ``dims`` of each of ``count`` vectors; 0 where ``count`` scores are wanted.
    """
    if not isinstance(answer, dict) or answer.get("version") != version:
        told = answer.get("version") if isinstance(answer, dict) else None
        return f"answered with model {told!r}, the release needs {version!r}; serve that one"
    rows = answer.get("embeddings" if dims else "scores")
    if not isinstance(rows, list) or len(rows) != count:
        return f"did not answer {count} {'vectors' if dims else 'scores'}"
    lengths = {len(row) for row in rows} if dims else {0}
    return f"answered {max(lengths)} dimensions, the release needs {dims}" if lengths != {dims} else ""
