"""How a model is trained is its own affair: neither what it says nor what is saved shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from searchloom.training import texts
from searchloom.training.model_files import load_bi_encoder, prepare, save
from tests.training.models import tiny_base

TEXTS = ["a car in a forest", "the monarch of the melody and the ship", "stone", "money for the church " * 9]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tiny_base(tmp_path / "base")


def test_what_is_saved_does_not_say_how_it_was_trained(base: Path, tmp_path: Path) -> None:
    as_loaded, prepared = tmp_path / "as-loaded", tmp_path / "prepared"
    save(load_bi_encoder(base), as_loaded, max_tokens=48)
    save(prepare(load_bi_encoder(base), dropout=0.1, save_memory=True), prepared, max_tokens=48)
    files = {path.relative_to(as_loaded): path.read_bytes() for path in as_loaded.rglob("*") if path.is_file()}
    assert files
    assert files == {path.relative_to(prepared): path.read_bytes() for path in prepared.rglob("*") if path.is_file()}


def test_a_model_that_is_trained_says_what_it_says_when_it_serves(base: Path) -> None:
    model = load_bi_encoder(base).eval()
    with torch.inference_mode():
        before = texts.embed(model, TEXTS, 48).cpu().numpy()
        after = texts.embed(prepare(model, dropout=0.0, save_memory=False), TEXTS, 48).cpu().numpy()
    np.testing.assert_allclose(after, before, atol=1e-5)
