from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from searchloom.embedding.encoder import Encoder
from searchloom.errors import Terminal
from tests.corpus.runs import MODEL_FOLDER

TEXTS = [
    f"the boundary layer over a plate number {number}, " + "with heat transfer and shock waves " * (number % 40)
    for number in range(64)
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(MODEL_FOLDER, threads=2)


def test_importing_the_encoder_loads_no_torch() -> None:
    program = "import sys, searchloom.embedding.encoder as e; print({'torch', 'transformers'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_vectors_are_float32_of_unit_length_in_the_order_of_the_texts(encoder: Encoder) -> None:
    heard: list[int] = []
    vectors = encoder.encode(TEXTS, heard.append)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), 384), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert heard[-1] == len(TEXTS)
    alone = encoder.encode([TEXTS[7]])[0]
    assert float(alone @ vectors[7]) > 0.999
    assert encoder.encode([]).shape == (0, 384)


def test_vectors_are_those_of_sentence_transformers_in_fp32(encoder: Encoder) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  takes seconds

    reference = SentenceTransformer(str(MODEL_FOLDER), device="cpu", local_files_only=True)
    expected = reference.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    cosines = (encoder.encode(TEXTS) * expected).sum(axis=1)
    assert cosines.mean() >= 0.999
    assert cosines.min() >= 0.998


def test_a_model_of_other_dimensions_than_its_folder_says_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL_FOLDER, folder)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    (folder / "said").mkdir()
    (folder / "said" / "config.json").write_text('{"out_features": 768}', encoding="utf-8")
    modules.append({"idx": 3, "name": "3", "path": "said", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(Terminal, match="384 numbers, its card says 768"):
        Encoder(folder)
