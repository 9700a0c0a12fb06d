"""Find a JDK that both engines can run on: 21 or newer, and a full one (Elasticsearch needs the module ``jdk.jdi``)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from searchloom.errors import UsageError
from searchloom.stack.accounts import Account, closed_folder

OLDEST = 21
NEWEST_TRIED = 25
FOLDERS = ("/usr/lib/jvm/*", "/opt/*", "/opt/java/*", "/usr/java/*", "/usr/local/*")
FOLDERS_OF_USER = (".sdkman/candidates/java/*", ".jdks/*", ".local/share/mise/installs/java/*")
REMEDY = (
    "install a JDK 21 or newer (Debian: apt install openjdk-21-jdk-headless, or Temurin), or point JAVA_HOME at one"
)


@dataclass(frozen=True)
class Jdk:
    """A Java development kit."""

    home: Path
    major: int

    @property
    def java(self) -> Path:
        """The launcher."""
        return self.home / "bin" / "java"


def find(account: Account | None = None) -> Jdk:
    """Return the JDK to run the engines with: JAVA_HOME, else the best of the usual folders that ``account`` can read.

    Raises ``UsageError`` with what was found, and what to install.
    """
    rejected: list[str] = []
    for home in _ranked(_candidates()):
        found = _read(home)
        if found is None:
            continue
        fault = _fault(found, account)
        if fault is None:
            return found
        rejected.append(f"{home} {fault}")
    seen = f" ({'; '.join(rejected)})" if rejected else ""
    raise UsageError(f"there is no JDK {OLDEST} or newer here{seen}: {REMEDY}")


def _candidates() -> Iterator[Path]:
    """Yield folders that may hold a JDK; JAVA_HOME is the platform's own variable, not a setting of ours."""
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve().parents[1]
    for pattern in FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))
    home = os.environ.get("HOME")
    for pattern in FOLDERS_OF_USER if home else ():
        yield from Path(home or "/").glob(pattern)


def _ranked(folders: Iterator[Path]) -> list[Path]:
    """JAVA_HOME first, then the newest version that was tried, then newer ones, then older ones."""
    named = os.environ.get("JAVA_HOME")
    unique = {folder.resolve(): folder for folder in folders}

    def rank(folder: Path) -> tuple[bool, bool, int]:
        found = _read(folder)
        major = found.major if found else 0
        return (not (named and folder == Path(named).resolve()), major > NEWEST_TRIED, -major)

    return sorted(unique, key=rank)


def _read(home: Path) -> Jdk | None:
    """Read a JDK's version from its ``release`` file, or ask ``java`` itself where there is none."""
    if not (home / "bin" / "java").is_file():
        return None
    release = home / "release"
    text = release.read_text(encoding="utf-8", errors="replace") if release.is_file() else _ask(home, "-version")
    version = re.search(r'(?:JAVA_VERSION=|version )"(?:1\.)?(\d+)', text)
    return Jdk(home, int(version.group(1))) if version else None


def _fault(jdk: Jdk, account: Account | None) -> str | None:
    if jdk.major < OLDEST:
        return f"is Java {jdk.major}"
    if closed := closed_folder(jdk.home, account):
        return f"cannot be read by {account.name if account else 'us'}: {closed} is closed"
    if "jdk.jdi" not in _ask(jdk.home, "--list-modules"):
        return "is a runtime without the module jdk.jdi"
    return None


def _ask(home: Path, question: str) -> str:
    try:
        answer = subprocess.run(
            [str(home / "bin" / "java"), question],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout + answer.stderr
