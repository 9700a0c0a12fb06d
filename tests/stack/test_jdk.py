"""Which JDK is taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from searchloom.errors import UsageError
from searchloom.stack import jdk


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose JDKs all lie below one folder."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(jdk, "FOLDERS", (f"{tmp_path}/jvm/*",))
    return tmp_path / "jvm"


def install(home: Path, version: str, modules: str = "java.base jdk.jdi") -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    (home / "bin" / "java").write_text(f"#!/bin/sh\necho {modules}\n")
    (home / "bin" / "java").chmod(0o755)
    return home


@pytest.mark.usefixtures("folders")
def test_no_jdk_is_one_sentence_with_the_remedy():
    with pytest.raises(UsageError, match=r"no JDK 21 or newer here: install a JDK 21 .* JAVA_HOME"):
        jdk.find()


def test_an_old_jdk_and_a_runtime_are_named_with_what_they_lack(folders: Path):
    install(folders / "old", "17.0.9")
    install(folders / "runtime", "21.0.1", modules="java.base")
    with pytest.raises(UsageError) as caught:
        jdk.find()
    assert f"{folders}/old is Java 17" in str(caught.value)
    assert f"{folders}/runtime is a runtime without the module jdk.jdi" in str(caught.value)


def test_the_newest_that_was_tried_wins_over_older_and_untried_ones(folders: Path):
    for name, version in (("a", "21.0.1"), ("b", "25"), ("c", "99-ea")):
        install(folders / name, version)
    assert jdk.find().home == folders / "b"


def test_java_home_wins(folders: Path, monkeypatch: pytest.MonkeyPatch):
    install(folders / "b", "25")
    monkeypatch.setenv("JAVA_HOME", str(install(folders.parent / "mine", "21.0.2")))
    assert jdk.find() == jdk.Jdk(folders.parent / "mine", 21)


def test_a_java_home_that_is_too_old_is_passed_over(folders: Path, monkeypatch: pytest.MonkeyPatch):
    install(folders / "b", "25")
    monkeypatch.setenv("JAVA_HOME", str(install(folders.parent / "mine", "11.0.2")))
    assert jdk.find().major == 25
