"""``searchloom releases``: what it shows and what it changes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result
from typer.testing import CliRunner

from searchloom.cloud.oss import Oss
from searchloom.engines.connect import loader as connect
from searchloom.engines.interface import GenerationMeta
from searchloom.errors import NotFound, UsageError
from searchloom.release import commands, registry
from searchloom.release.document import EmbeddingModel, Fusion, Gate, index_name
from searchloom.settings import ENGINES, Settings
from searchloom.settings import Oss as OssSettings

MODEL = "own-embedding-0123456789a"  # as long as the name of an own model; the releases' numbers follow


@pytest.fixture
def corpus(oss: Oss, settings: Settings) -> Iterator[str]:
    """A corpus with two releases, the second one live."""
    name = f"hc-{uuid.uuid4().hex[:8]}"
    loaders = {engine: connect(settings, engine) for engine in ENGINES}
    for number in (1, 2):
        for loader in loaders.values():
            loader.create(index_name(name, number), GenerationMeta(name, f"{MODEL}{number}", 4))
        registry.publish(
            oss,
            loaders,
            corpus=name,
            embedding=EmbeddingModel(version=f"{MODEL}{number}", dims=4),
            generation=dict.fromkeys(ENGINES, index_name(name, number)),
            fusion=Fusion(vector_weight_by_language={"zh": 0.2}),
            gate=Gate(verdict="better", summary="by 3 points") if number == 2 else None,
            created_by="tests",
        )
    yield name
    for loader in loaders.values():
        for number in (1, 2):
            loader.drop(index_name(name, number))
        loader.close()


@pytest.fixture
def run(
    oss: Oss, store_settings: OssSettings, settings: Settings, corpus: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    own = settings.model_copy(update={"oss": store_settings.model_copy(update={"bucket": oss.bucket_name})})
    monkeypatch.setattr("searchloom.settings.load", lambda: own)
    environment = {"COLUMNS": "80", "NO_COLOR": "1"}
    return lambda *words: CliRunner().invoke(commands.app, [*words, "--corpus", corpus], env=environment)


def test_the_list_marks_the_live_one(run: Callable[..., Result], corpus: str) -> None:
    shown = run("list")
    assert shown.exit_code == 0, shown.output
    live = next(line for line in shown.output.splitlines() if "live" in line)
    assert f"{MODEL}2" in live
    assert "better" in live
    listed = json.loads(run("list", "--json").output)
    assert [(one["number"], one["live"], one["previous"]) for one in listed] == [(2, True, 1), (1, False, None)]
    assert listed[0]["generation"] == dict.fromkeys(ENGINES, index_name(corpus, 2))


def test_one_release_is_shown_whole(run: Callable[..., Result], corpus: str) -> None:
    shown = run("show").output
    for words in (f"2 of {corpus}, serves now", f"{MODEL}2, 4 dimensions", "zh 0.20", "better: by 3 points"):
        assert words in shown
    assert json.loads(run("show", "1", "--json").output)["embedding"]["version"] == f"{MODEL}1"
    assert isinstance(run("show", "9").exception, NotFound)


def test_back_and_forth(run: Callable[..., Result], oss: Oss, corpus: str) -> None:
    assert "release 1 serves, instead of 2" in run("rollback").output
    assert registry.current(oss, corpus) == registry.get(oss, corpus, 1)
    assert isinstance(run("rollback").exception, UsageError)
    assert json.loads(run("promote", "2", "--json").output) == {"corpus": corpus, "release": 2, "before": 1}
    assert json.loads(run("rollback", "--to", "1", "--json").output)["release"] == 1
