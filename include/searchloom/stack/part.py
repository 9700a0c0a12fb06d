"""What the stack needs to know of a part: how to start it, when it is well, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from searchloom.stack.accounts import Account

Health = Callable[[float], bool]
"""Given when the part was started (seconds since the epoch), tell whether it is well."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Part:
    """One long-running process of the local stack.

    ``port`` is the one that ``health`` asks, if the part has one of its own: the process that listens there must be
    this part's. ``prepare`` runs before every start. ``patience`` and ``grace`` are seconds: to become healthy, and to stop.
    """

    name: str
    version: str
    url: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    health: Health
    port: int | None = None
    account: Account | None = None
    prepare: Callable[[], None] = nothing
    needs: frozenset[str] = frozenset()
    patience: float = 180.0
    grace: float = 20.0


def answers(url: str) -> Health:
    """Return a check that is well as soon as a GET of ``url`` answers 200."""

    def check(_started: float) -> bool:
        try:
            return httpx.get(url, timeout=5.0, trust_env=False).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return check
