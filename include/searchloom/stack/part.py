"""What the stack needs to know of a part: how to start it, when it is well, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from searchloom.stack.accounts import Account

Health = Callable[[float], bool]
"""Given when the part was started (seconds since the epoch), tell whether it is well."""


@dataclass(frozen=True)
class Launch:
    """What to run: the command, its whole environment, the folder it runs in, the account to switch to."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    account: Account | None = None


@dataclass(frozen=True)
class Part:
    """One long-running process of the local stack.

    ``port`` is the one that ``health`` asks, if the part has its own; who listens there must belong to the part.
    ``needs`` names parts that must be healthy first, if they are started too; ``furnish`` runs once it is healthy.
    ``patience`` and ``grace`` are seconds: to become healthy, and to stop.
    """

    name: str
    version: str
    url: str
    launch: Callable[[], Launch]
    health: Health
    port: int | None = None
    needs: frozenset[str] = frozenset()
    furnish: Callable[[], None] = lambda: None
    patience: float = 300.0
    grace: float = 20.0


def get(url: str) -> httpx.Response | None:
    """GET a part's own page; None while nobody answers there."""
    try:
        return httpx.get(url, timeout=5.0, trust_env=False)
    except httpx.TransportError:
        return None


def answers(url: str) -> Health:
    """Return a check that is well as soon as a GET of ``url`` answers 200."""

    def check(_started: float) -> bool:
        response = get(url)
        return response is not None and response.status_code == httpx.codes.OK

    return check


def port_of(url: str) -> int:
    """Return the port that a URL names."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
