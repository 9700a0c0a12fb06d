"""``deploy/engines/*.lock``: every file the engine homes are made of, with its size and sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from searchloom.errors import Terminal
from searchloom.settings import HOME, EngineName

FOLDER = HOME / "deploy" / "engines"
POM = FOLDER / "pom.xml"
LOCK = FOLDER / "engines.lock"
INFERENCE_LOCK = FOLDER / "inference.lock"
"""What a home with inference holds besides."""


@dataclass(frozen=True)
class Artifact:
    """One line of the lock: a Maven artifact and where it goes in the engine's home (relative, may be empty)."""

    group: str
    name: str
    version: str
    kind: str
    size: int
    sha256: str
    engine: EngineName
    folder: str

    @property
    def coordinate(self) -> str:
        """Maven's name for it."""
        return f"{self.group}:{self.name}:{self.version}:{self.kind}"

    @property
    def filename(self) -> str:
        """The file's name in a Maven repository."""
        return f"{self.name}-{self.version}.{self.kind}"

    def path(self, repository: Path) -> Path:
        """Where a Maven repository keeps it."""
        return repository.joinpath(*self.group.split("."), self.name, self.version, self.filename)

    def fault(self, repository: Path) -> str | None:
        """Say what is wrong with the repository's copy, or None if it is the one that the lock names."""
        path = self.path(repository)
        if not path.is_file():
            return "is missing"
        if path.stat().st_size != self.size:
            return f"has {path.stat().st_size} bytes instead of {self.size}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return None if digest == self.sha256 else f"has sha256 {digest} instead of {self.sha256}"


def read(path: Path = LOCK) -> list[Artifact]:
    """Read the lock. Raises ``Terminal`` for a line that does not fit."""
    artifacts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            coordinate, size, sha256, where = line.split("\t")
            group, name, version, kind = coordinate.split(":")
        except ValueError as error:
            raise Terminal(
                f"{path}:{number}: {line!r} is not 'coordinate, size, sha256, folder', tab-separated"
            ) from error
        engine, _, folder = where.partition("/")
        if engine not in {"opensearch", "elasticsearch"}:
            raise Terminal(f"{path}:{number}: folder {where!r} starts with neither opensearch nor elasticsearch")
        artifacts.append(Artifact(group, name, version, kind, int(size), sha256, engine, folder))  # type: ignore[arg-type]
    return artifacts


def fingerprint(*paths: Path) -> str:
    """Name the content of these locks (none: of ``LOCK``): a home built from others is stale."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths or (LOCK,))).hexdigest()
