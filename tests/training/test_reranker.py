"""Reranker training, with a very small model: token by token, as a cross-encoder, with a teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sentence_transformers import CrossEncoder

from localcloud.credentials import Keyring
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.oss import Oss
from searchloom.embedding.card import ModelCard
from searchloom.embedding.reranker import Reranker
from searchloom.inference import models
from searchloom.inference.service import create_app
from searchloom.release.wire import RERANK_PATH
from searchloom.settings import Bailian as BailianSettings
from searchloom.settings import Oss as OssSettings
from searchloom.training import reranker, texts
from searchloom.training.losses import distilled, in_batch_ranking, listwise
from searchloom.training.model_files import load_bi_encoder, load_cross_encoder
from searchloom.training.teacher import TeacherScores, ask_bailian
from searchloom.training.training_set import prefix
from tests.servers import local_cloud
from tests.training.models import SYNONYMS, tiny_base, tiny_set

QUICK = ["--epochs", "4", "--learning-rate", "2e-3", "--max-minutes", "3", "--evaluations", "1"]


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


def test_a_bi_encoder_read_token_by_token_betters_the_retriever_and_goes_on_from_itself(
    training_set: Path, base: Path, tmp_path: Path
) -> None:
    assert reranker.main(options(training_set, base, tmp_path / "one", "--depth", "200", "--batch-size", "8")) == 0
    card = card_of(tmp_path / "one")
    assert (card.kind, card.dims, card.max_tokens) == ("reranker", 0, 48)
    assert card.metrics["dev_after_ndcg@10"] > card.metrics["dev_retriever_ndcg@10"] + 0.05, card.metrics
    assert reranker.main(options(training_set, tmp_path / "one" / "model", tmp_path / "two", "--epochs", "1")) == 0
    assert card_of(tmp_path / "two").base == card.version


def test_a_cross_encoder_is_made_of_a_bi_encoder_and_goes_on_from_itself(
    training_set: Path, base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert reranker.main(options(training_set, base, tmp_path / "one", "--form", "cross")) == 0
    card = card_of(tmp_path / "one")
    assert (card.kind, card.dims, card.max_tokens) == ("reranker", 0, 48)
    assert {"dev_before_ndcg@10", "dev_after_ndcg@10", "dev_retriever_ndcg@10"} <= card.metrics.keys()
    model = CrossEncoder(str(tmp_path / "one" / "model"), local_files_only=True)
    assert model.max_seq_length == 48
    assert len(model.predict([("car and house", "vehicle building melody"), ("car", "monarch")])) == 2
    assert reranker.main(options(training_set, tmp_path / "one" / "model", tmp_path / "two")) == 1
    assert "--retriever" in caplog.text
    more = ("--retriever", str(base), "--epochs", "1")
    assert reranker.main(options(training_set, tmp_path / "one" / "model", tmp_path / "two", *more)) == 0
    assert card_of(tmp_path / "two").base == card.version


@pytest.mark.parametrize("form", ["late", "cross"])
def test_a_pair_has_the_same_score_in_training_in_the_judge_and_behind_the_service(
    training_set: Path, base: Path, tmp_path: Path, form: str
) -> None:
    told = ("--form", form, "--epochs", "1", "--max-tokens", "20")
    assert reranker.main(options(training_set, base, tmp_path, *told)) == 0
    card, folder = card_of(tmp_path), tmp_path / "model"
    assert card.max_tokens == 20, "what is longer is cut where it was cut in training"
    query = "car and house"
    passages = [text for pair in SYNONYMS for text in (pair[1], f"{pair[1]} " * 30, f"{'long ' * 30} {pair[1]}")]
    pairs = [(query, passage) for passage in passages]
    with torch.inference_mode():
        if form == "late":
            model = load_bi_encoder(folder).eval()
            trained = texts.interactions(model, [query], passages, card.max_tokens)[0].numpy()
        else:
            model = load_cross_encoder(folder, max_tokens=card.max_tokens).eval()
            trained = texts.score(model, pairs, card.max_tokens).numpy()
    judged = Reranker(folder, card.max_tokens, 1, bf16=False).score(pairs)
    np.testing.assert_allclose(judged, trained, atol=1e-3)
    with TestClient(create_app(models.load(folder, card, 1), "")) as service:
        answer = service.post(RERANK_PATH, json={"query": query, "passages": passages}).json()
    # The service computes in bf16 where the processor does.
    np.testing.assert_allclose(answer["scores"], trained, atol=1e-3 if form == "late" else 1e-2)


def test_a_teacher_changes_what_is_learned(training_set: Path, base: Path, tmp_path: Path) -> None:
    rows = pq.read_table(training_set / "pairs.parquet").to_pylist()
    lines = []
    for row in rows:
        scores = {row["chunk_id"]: 0.1} | dict.fromkeys(row["negative_ids"], 0.9)
        lines.append(json.dumps({"query": row["query"], "scores": scores}))
    teacher = tmp_path / "teacher.jsonl"
    teacher.write_text("\n".join(lines))
    told = ("--teacher", str(teacher), "--teacher-share", "1", "--epochs", "1")
    assert reranker.main(options(training_set, base, tmp_path / "taught", *told)) == 0
    assert reranker.main(options(training_set, base, tmp_path / "alone", "--epochs", "1")) == 0
    assert card_of(tmp_path / "taught").version != card_of(tmp_path / "alone").version
    assert card_of(tmp_path / "taught").fingerprint != card_of(tmp_path / "alone").fingerprint


@pytest.mark.slow
def test_bailian_is_asked_once_and_its_scores_are_kept(tmp_path: Path) -> None:
    variables = {"LOCALCLOUD_CACHE": str(tmp_path / "cache"), "LOCALCLOUD_TEACHING_STEPS": "4"}
    with local_cloud(tmp_path / "state", variables=variables) as cloud:
        secret = SecretStr(cloud.access_key_secret)
        oss = Oss(OssSettings(endpoint=cloud.endpoint, access_key_id=cloud.access_key_id, access_key_secret=secret))
        oss.ensure_bucket()
        card = tiny_set(tmp_path / "set")
        for path in (tmp_path / "set").iterdir():
            oss.upload(path, prefix("tiny", card.fingerprint) + path.name)
        api_key = SecretStr(Keyring(cloud.access_key_id, cloud.access_key_secret).api_key)
        bailian = Bailian(BailianSettings(url=cloud.endpoint, api_key=api_key, read_timeout_s=120))
        told = {"corpus": "tiny", "fingerprint": card.fingerprint, "model": "gte-rerank-v2", "max_queries": 5}
        key = ask_bailian(oss, bailian, **told)
        path = tmp_path / "teacher.jsonl"
        path.write_bytes(oss.get(key))
        taught = TeacherScores.read(path)
        assert len(taught.scores) == 5
        assert all(len(scores) >= 2 for scores in taught.scores.values())
        modified = oss.head(key).last_modified
        assert ask_bailian(oss, bailian, **told) == key
        assert oss.head(key).last_modified == modified


def test_lists_and_teachers_agree_on_the_best_scores() -> None:
    weights = torch.ones(2)
    good = torch.tensor([[4.0, 0.0, -torch.inf], [3.0, 1.0, 0.0]])
    bad = torch.tensor([[0.0, 4.0, -torch.inf], [0.0, 3.0, 1.0]])
    assert listwise(good, weights=weights) < listwise(bad, weights=weights)
    assert distilled(good, good, weights=weights) == pytest.approx(0, abs=1e-6)
    assert distilled(bad, good, weights=weights) > 0.5


def test_what_is_known_to_be_right_is_no_negative() -> None:
    queries = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [0.1, 1.0]]), dim=1)
    candidates = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.3]]), dim=1)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    third = nothing.clone()
    third[0, 2] = True

    def loss(known: torch.Tensor, weights: list[float]) -> float:
        return float(in_batch_ranking(queries, candidates, known=known, weights=torch.tensor(weights), scale=20))

    # The third candidate is close to the first in direction, but below the bound of a duplicate.
    assert loss(third, [1, 1]) < loss(nothing, [1, 1])
    assert loss(nothing, [0.001, 1]) < loss(nothing, [1, 0.001])
