from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from searchloom.cloud.oss import Oss
from searchloom.embedding import model
from searchloom.embedding.card import card_key
from searchloom.errors import NotFound, Terminal, UsageError
from searchloom.settings import Embedding, Settings
from tests.corpus.runs import MODEL_FOLDER


def small_copy(folder: Path) -> Path:
    """The base model's files without its 90 MB of weights."""
    shutil.copytree(MODEL_FOLDER, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_the_packaged_base_model_is_published_once_and_fetched_from_its_package(
    oss: Oss, cloud_settings: Settings, tmp_path: Path
) -> None:
    card = model.publish_base(oss, cloud_settings)
    assert (card.version, card.dims, card.max_tokens) == ("all-minilm-l6-v2", 384, 256)
    assert model.publish_base(oss, cloud_settings) == card
    assert model.fetch(oss, card.version, tmp_path) == MODEL_FOLDER
    assert not list(tmp_path.iterdir())


def test_a_model_comes_back_from_oss_as_it_went_in_and_is_cached(oss: Oss, tmp_path: Path) -> None:
    folder = small_copy(tmp_path / "own")
    card = model.publish(oss, folder, version="own-1", base="all-minilm-l6-v2", metrics={"ndcg@10": 0.5})
    fetched = model.fetch(oss, "own-1", tmp_path / "cache")
    assert model.fingerprint(fetched) == card.fingerprint
    assert model.describe(fetched).dims == card.dims
    oss.delete("models/embedding/own-1/vocab.txt")
    assert model.fetch(oss, "own-1", tmp_path / "cache") == fetched
    with pytest.raises(Terminal, match="not those of its card"):
        model.fetch(oss, "own-1", tmp_path / "other")


def test_a_version_never_becomes_another_model(oss: Oss, tmp_path: Path) -> None:
    folder = small_copy(tmp_path / "own")
    model.publish(oss, folder, version="own-2", base="b")
    (folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(Terminal, match="choose another name"):
        model.publish(oss, folder, version="own-2", base="b")


def test_a_half_published_model_does_not_exist_and_is_completed(oss: Oss, tmp_path: Path) -> None:
    folder = small_copy(tmp_path / "own")
    oss.put("models/embedding/own-3/vocab.txt", b"half")
    with pytest.raises(NotFound):
        model.fetch(oss, "own-3", tmp_path / "cache")
    card = model.publish(oss, folder, version="own-3", base="b")
    assert json.loads(oss.get(card_key("own-3")))["fingerprint"] == card.fingerprint
    assert model.fingerprint(model.fetch(oss, "own-3", tmp_path / "cache")) == card.fingerprint


@pytest.mark.parametrize(
    ("base", "error", "words"),
    [
        ("package:no-such-model", NotFound, "not installed"),
        ("/no/such/folder", NotFound, "no folder"),
        ("oss://elsewhere/models/x", UsageError, "not in the project's bucket"),
        ("oss://searchloom/models/none", NotFound, "no model at"),
    ],
)
def test_a_base_model_that_is_not_there_is_named_with_the_remedy(
    oss: Oss, cloud_settings: Settings, *, base: str, error: type[Exception], words: str
) -> None:
    settings = cloud_settings.model_copy(update={"embedding": Embedding(base_model=base)})
    with pytest.raises(error, match=words):
        model.base_folder(oss, settings)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match=r"holds no sentence-transformers model"):
        model.describe(tmp_path)
