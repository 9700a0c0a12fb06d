"""Embedding training, with a very small model: what it learns, what it leaves behind, what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from searchloom.embedding.card import ModelCard
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import describe, fingerprint
from searchloom.training import embedding
from searchloom.training.checkpoints import Checkpoints
from tests.training.models import SYNONYMS, tiny_base, tiny_set

QUICK = ["--epochs", "12", "--learning-rate", "3e-3", "--max-minutes", "3", "--evaluations", "2", "--blends", "1"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    tiny_set(folder)
    return folder


def options(training_set: Path, base: Path, out: Path, *more: str) -> list[str]:
    folders = ["--training-set", training_set, "--base", base, "--model", out / "model", "--checkpoints", out / "cp"]
    return [*map(str, folders), *QUICK, *more]


def card_of(out: Path) -> ModelCard:
    return ModelCard.model_validate_json((out / "model" / "card.json").read_bytes())


def test_what_is_learned_serves_and_is_written_down(training_set: Path, base: Path, tmp_path: Path) -> None:
    assert embedding.main(options(training_set, base, tmp_path)) == 0
    card = card_of(tmp_path)
    assert card.metrics["dev_after_ndcg@10"] > card.metrics["dev_before_ndcg@10"] + 0.1
    assert (card.kind, card.dims, card.max_tokens, card.seed) == ("embedding", 64, 48, 20)
    assert card.parameters["epochs"] == 12
    assert card.version.startswith("own-embedding-")
    folder = tmp_path / "model"
    assert fingerprint(folder) == card.fingerprint
    assert describe(folder).dims == 64
    vectors = Encoder(folder, 1).encode(["car and house", "vehicle building melody", "monarch statute breeze"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1
    records = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    assert {"steps", "dev", "blend"} <= {record["event"] for record in records}
    assert (folder / "curve.svg").read_text().lstrip().startswith("<?xml")
    assert list((tmp_path / "cp").iterdir()) == []
    made = (folder / "card.json").stat().st_mtime_ns
    assert embedding.main(options(training_set, base, tmp_path)) == 0  # there already: nothing is done
    assert (folder / "card.json").stat().st_mtime_ns == made


def test_the_same_training_is_the_same_model(training_set: Path, base: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert embedding.main(options(training_set, base, tmp_path / name, "--epochs", "2")) == 0
    one, two = card_of(tmp_path / "one"), card_of(tmp_path / "two")
    assert one.version == two.version
    assert one.fingerprint == two.fingerprint


def test_shuffled_labels_show_on_dev(base: Path, training_set: Path, tmp_path: Path) -> None:
    tiny_set(tmp_path / "shuffled", shuffled=True)
    assert embedding.main(options(tmp_path / "shuffled", base, tmp_path / "bad")) == 0
    assert embedding.main(options(training_set, base, tmp_path / "good")) == 0
    bad, good = card_of(tmp_path / "bad").metrics, card_of(tmp_path / "good").metrics
    assert bad["dev_after_ndcg@10"] < good["dev_after_ndcg@10"] - 0.1
    assert bad["dev_after_ndcg@10"] < bad["dev_before_ndcg@10"]


def test_a_blend_of_nothing_is_the_base(training_set: Path, base: Path, tmp_path: Path) -> None:
    assert embedding.main(options(training_set, base, tmp_path, "--epochs", "1", "--blends", "0,0")) == 0
    texts = ["car and house", "vehicle building melody"]
    kept, given = Encoder(tmp_path / "model", 1).encode(texts), Encoder(base, 1).encode(texts)
    assert np.abs(kept - given).max() < 1e-6


def test_prefixes_of_matryoshka_vectors_rank_too(training_set: Path, base: Path, tmp_path: Path) -> None:
    def margin(folder: Path) -> float:
        """How much nearer a word of queries is to its word of passages than to the others, by 16 numbers."""
        encoder = Encoder(folder, 1)
        sides = [encoder.encode([pair[side] for pair in SYNONYMS])[:, :16] for side in (0, 1)]
        asked, written = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
        cosines = asked @ written.T
        return float(np.diag(cosines).mean() - cosines.mean())

    assert embedding.main(options(training_set, base, tmp_path, "--matryoshka", "64,16")) == 0
    assert margin(tmp_path / "model") > margin(base) + 0.1


def test_a_killed_training_goes_on_where_it_was(training_set: Path, base: Path, tmp_path: Path) -> None:
    # Time enough that the steps alone decide how the rate falls: so both trainings are the same.
    slow = ("--epochs", "20", "--checkpoint-seconds", "0.2", "--learning-rate", "1e-3", "--max-minutes", "60")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    # In processes of one thread each: sums of floating-point numbers depend on how they are shared out.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-m", "searchloom.training.embedding", *options(training_set, base, folder, *slow)]

    with subprocess.Popen(command(killed), stderr=subprocess.DEVNULL, env=environment) as process:
        deadline = time.monotonic() + 200
        while not list((killed / "cp").glob("state-*.pt")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    assert not (killed / "model" / "card.json").exists()
    for folder in (killed, whole):
        subprocess.run(command(folder), check=True, stderr=subprocess.DEVNULL, env=environment)
    records = (killed / "model" / "training_log.jsonl").read_text()
    assert '"resumed"' in records
    one, two = load_file(killed / "model" / "model.safetensors"), load_file(whole / "model" / "model.safetensors")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-3


def test_a_damaged_checkpoint_is_left_aside(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.save(step, {"step": step, "best_step": 0})
    newest = tmp_path / "state-00000002.pt"
    newest.write_bytes(newest.read_bytes()[:100])
    assert (checkpoints.load() or {})["step"] == 1
    (tmp_path / "state-00000001.pt").write_bytes(b"")
    assert checkpoints.load() is None


def test_the_time_is_kept(training_set: Path, base: Path, tmp_path: Path) -> None:
    assert embedding.main(options(training_set, base, tmp_path, "--epochs", "100000", "--max-minutes", "0.1")) == 0
    card = card_of(tmp_path)
    assert 5 < card.metrics["steps"] < 100_000
    rates = [
        record["rate"]
        for line in (tmp_path / "model" / "training_log.jsonl").read_text().splitlines()
        if (record := json.loads(line))["event"] == "steps"
    ]
    assert rates[-1] < 0.2 * max(rates)  # the rate fell to its end all the same


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--version", "own-embedding-000000000000"], "what is asked for is model"),
        (["--dims", "768"], "makes vectors of 64 numbers, not 768"),
        (["--epochs", "-1"], "--epochs -1"),
    ],
)
def test_what_cannot_be_is_refused(
    training_set: Path, base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, more: list[str], said: str
) -> None:
    assert embedding.main(options(training_set, base, tmp_path, *more)) == 1
    assert said in caplog.text
    assert not (tmp_path / "model").exists()


def test_a_base_whose_card_lies_is_refused(
    training_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = tiny_base(tmp_path / "base")
    card = ModelCard(version="b", base="x", dims=64, max_tokens=48, created="2026-01-01", fingerprint="0" * 64)
    (base / "card.json").write_text(card.model_dump_json())
    assert embedding.main(options(training_set, base, tmp_path)) == 1
    assert "are not those of the card" in caplog.text
