"""What the local stack needs of the machine: each finding is a sentence with its remedy."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from searchloom.errors import UsageError
from searchloom.settings import ENGINES, Settings
from searchloom.stack import engine_homes, jdk
from searchloom.stack.accounts import engine_account

DISK_BYTES = 2_000_000_000
MEMORY_BYTES = 7_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    good: bool
    sentence: str


def check(settings: Settings) -> list[Finding]:
    """Look at everything; changes nothing but what ``up`` would make anyway (empty folders)."""
    looks: list[Callable[[Settings], Finding]] = [_python, _java, _engines, _account, _state, _disk, _memory]
    return [look(settings) for look in looks] + [_program(name) for name in ("git", "mvn", "node")]


def _python(_settings: Settings) -> Finding:
    version = ".".join(str(number) for number in sys.version_info[:3])
    return Finding(good=True, sentence=f"Python {version}")


def _java(_settings: Settings) -> Finding:
    try:
        found = jdk.find(engine_account())
    except UsageError as error:
        return Finding(good=False, sentence=str(error))
    return Finding(good=True, sentence=f"JDK {found.major} in {found.home}")


def _engines(settings: Settings) -> Finding:
    missing = [engine for engine in ENGINES if not engine_homes.ready(settings, engine)]
    if missing:
        return Finding(good=False, sentence=f"{' and '.join(missing)} not set up: run 'make setup'")
    return Finding(good=True, sentence=f"both engines in {engine_homes.folder(settings)}")


def _account(_settings: Settings) -> Finding:
    try:
        account = engine_account()
    except UsageError as error:
        return Finding(good=False, sentence=str(error))
    return Finding(good=True, sentence=f"the engines run as {account or 'you'}")


def _state(settings: Settings) -> Finding:
    folder = settings.state if settings.state.exists() else settings.state.parent
    if os.access(folder, os.W_OK):
        return Finding(good=True, sentence=f"{settings.state} can be written")
    return Finding(
        good=False, sentence=f"{folder} cannot be written by you: chown it, or set SEARCHLOOM_STATE to another folder"
    )


def _disk(settings: Settings) -> Finding:
    folder = settings.state if settings.state.exists() else settings.state.parent
    free = shutil.disk_usage(folder).free
    sentence = f"{free / 1e9:.0f} GB free below {settings.state}"
    return Finding(
        free >= DISK_BYTES, sentence if free >= DISK_BYTES else f"only {sentence}, 2 GB are needed: free some"
    )


def _memory(_settings: Settings) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    sentence = f"{total / 1e9:.0f} GB of memory"
    if total >= MEMORY_BYTES:
        return Finding(good=True, sentence=sentence)
    return Finding(
        good=False, sentence=f"only {sentence}, the stack takes 7: leave parts out with 'searchloom up --without ...'"
    )


def _program(name: str) -> Finding:
    found = shutil.which(name)
    package = {"mvn": "maven", "node": "nodejs"}.get(name, name)
    return Finding(
        good=found is not None,
        sentence=f"{name} in {found}" if found else f"{name} is missing: install it (Debian: apt install {package})",
    )
