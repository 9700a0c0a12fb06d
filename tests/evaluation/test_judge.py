"""The judge on real engines and real models: what is no better is never let through, what is better is."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from searchloom.cloud.oss import Oss
from searchloom.corpus.docstrings import symbols
from searchloom.embedding import model as models
from searchloom.embedding.card import ModelCard, card_key, model_prefix
from searchloom.embedding.encoder import Encoder
from searchloom.errors import Terminal, UsageError
from searchloom.evaluation import sides
from searchloom.evaluation.collection import of_split
from searchloom.evaluation.gate import GateReport
from searchloom.evaluation.judge import judge
from searchloom.release.document import Fusion
from searchloom.settings import Oss as OssSettings
from searchloom.settings import Settings
from searchloom.training.build import build
from tests.corpus.runs import MODEL_FOLDER
from tests.evaluation import shuffled
from tests.evaluation.released import Released

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DOCUMENTS, TEST, DEV = 160, 80, 40
SPOILED = int(os.environ.get("TEST_SPOILED", "2"))  # noise, and words dealt out anew; of ten ten were refused
SHUFFLED = int(os.environ.get("TEST_SHUFFLED", "1"))  # each trains two models


@pytest.fixture(scope="module")
def released(
    settings: Settings, store_settings: OssSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Released]:
    """Docstrings of a package, each found by its summary line, released with the base model."""
    bucket = store_settings.model_copy(update={"bucket": f"judge-{uuid.uuid4().hex[:8]}"})
    own = settings.model_copy(update={"oss": bucket, "cache": tmp_path_factory.mktemp("judge-cache")})
    oss = Oss(bucket)
    oss.ensure_bucket()
    it = Released(oss, own, f"judge-{uuid.uuid4().hex[:6]}")
    root = Path(next(path for path in sys.path if path.endswith("site-packages")))
    found = {symbol.title: symbol for symbol in symbols("networkx", root / "networkx")}
    unique = {symbol.summary: symbol for symbol in found.values()}
    chosen = sorted(unique.values(), key=lambda symbol: symbol.body)[:DOCUMENTS]
    it.ingest({"_id": one.title, "title": one.title, "text": one.body[:800]} for one in chosen)
    queries = {one.title: (one.summary, {one.title: 1}) for one in sorted(chosen, key=lambda one: one.summary)}
    names = list(queries)
    it.judge_by("test", {name: queries[name] for name in names[:TEST]})
    it.judge_by("dev", {name: queries[name] for name in names[TEST : TEST + DEV]})
    base = it.build(models.publish_base(oss, own), f"{it.corpus}-live")
    it.release(base, Fusion(trained_languages=("en",)))
    yield it
    it.drop()


@pytest.fixture(scope="module")
def again(released: Released) -> dict[str, Any]:
    """The live model in an index of its own."""
    return released.build(models.publish_base(released.oss, released.settings), f"{released.corpus}-again")


def spoiled(released: Released, folder: Path, seed: int) -> dict[str, Any]:
    """A candidate whose weights are the base model's and noise, or the words' vectors dealt out anew."""
    import torch  # noqa: PLC0415
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    shutil.copytree(MODEL_FOLDER, folder)
    draw = torch.Generator().manual_seed(seed)
    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if seed % 2 and name.endswith("word_embeddings.weight"):
            weights[name] = tensor[torch.randperm(len(tensor), generator=draw)].contiguous()
        elif not seed % 2 and tensor.is_floating_point() and tensor.dim() == 2:
            weights[name] = tensor + 0.7 * tensor.std() * torch.randn(tensor.shape, generator=draw)
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    card = released.publish_model(folder, f"spoiled-{seed}", languages=("en",))
    return released.build(card, f"{released.corpus}-spoiled-{seed}")


def judged(released: Released, candidate: dict[str, Any], run_id: str) -> tuple[dict[str, Any], GateReport]:
    said = judge(released.oss, corpus=released.corpus, candidate=candidate, run_id=run_id, settings=released.settings)
    return said, GateReport.model_validate_json(released.oss.get(said["report"]))


def test_the_same_model_again_is_not_enough_evidence_and_is_judged_once(
    released: Released, again: dict[str, Any]
) -> None:
    as_it_is = again | {"fusion": Fusion(trained_languages=("en",)).model_dump(mode="json")}
    for run_id, candidate in (("same", as_it_is), ("learned", again)):
        said, report = judged(released, candidate, run_id)
        assert said["verdict"] == "not enough evidence", report.reasons
        assert {one.figure.group for one in report.guards} >= {"judged", "all queries", "vectors alone"}
        assert judged(released, candidate, run_id) == (said, report), "asked again it says what it said"
    assert report.created != judged(released, as_it_is, "learned")[1].created, "another candidate is another question"


@pytest.mark.parametrize("seed", range(SPOILED))
def test_a_model_made_worse_is_refused_every_time(released: Released, tmp_path: Path, seed: int) -> None:
    candidate = spoiled(released, tmp_path / "model", seed)
    outcome, report = judged(released, candidate, f"spoiled-{seed}")
    assert outcome["verdict"] == "worse", report.reasons


@pytest.fixture(scope="module")
def random_head(released: Released, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Version of a reranker that has learned nothing."""
    from searchloom.training.model_files import load_cross_encoder, save  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("random-head")
    save(load_cross_encoder(MODEL_FOLDER, max_tokens=256), folder, max_tokens=256)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        released.oss.upload(path, model_prefix("random-head", "reranker") + path.relative_to(folder).as_posix())
    card = ModelCard(
        version="random-head", kind="reranker", base="test", max_tokens=256, created=datetime.now(UTC),
        fingerprint=models.fingerprint(folder),
    )  # fmt: skip
    released.oss.put_json(card_key(card.version, "reranker"), card.model_dump(mode="json"))
    return card.version


def test_a_random_head_is_left_out_where_its_weight_is_learned_and_refused_where_it_is_given(
    released: Released, again: dict[str, Any], random_head: str
) -> None:
    as_it_is = again | {"fusion": Fusion(trained_languages=("en",)).model_dump(mode="json")}
    said, report = judged(released, as_it_is | {"reranker": {"version": random_head}}, "head")
    assert said["verdict"] == "not enough evidence"
    assert said["reranker"] is None
    assert "did not help on dev" in report.reasons[-1]
    forced = as_it_is | {"reranker": {"version": random_head, "weight": 1.0, "depth": 10}}
    said, report = judged(released, forced, "forced")
    assert said["verdict"] == "worse"
    assert report.lost[0].gain < 0


@pytest.mark.parametrize("splits", [("dev",), ("dev", "test")])
def test_a_reranker_is_released_only_where_it_helps_queries_that_had_no_say_in_its_share(
    released: Released,
    again: dict[str, Any],
    random_head: str,
    splits: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = [of_split(released.oss, released.corpus, split).queries for split in splits]
    answers = {query: title for queries in asked for title, query in queries.items()}
    read: set[tuple[str, str]] = set()

    def by_heart(_reranker: Any) -> sides.Score:
        def score(query: str, passages: Sequence[str]) -> list[float]:
            fresh = {(query, one) for one in passages} - read
            time.sleep(len(fresh) / 1000)
            read.update(fresh)
            return [float(one.split("\n")[0] == answers.get(query)) for one in passages]

        return score

    monkeypatch.setattr(sides, "scorer", by_heart)
    as_it_is = again | {"fusion": Fusion(trained_languages=("en",)).model_dump(mode="json")}
    said, report = judged(released, as_it_is | {"reranker": {"version": random_head}}, f"by-heart-{len(splits)}")
    assert report.weights["reranker"]["low"] > 0
    if "test" in splits:
        assert (said["verdict"], said["reranker"]["version"]) == ("better", random_head)
        assert report.weights["reranker on test"]["low"] > 0
        took = {one.name: one.candidate for one in report.budgets}["reranking a query"]
        assert took == report.weights["reranker on test"]["ms"] > 5, "its first reading counts, not what it remembers"
    else:
        assert (said["verdict"], said["reranker"]) == ("not enough evidence", None)
        assert "test queries" in report.reasons[-1]


@pytest.fixture(scope="module")
def training_set(released: Released) -> str:
    """Fingerprint of the training set of the corpus."""
    base = models.publish_base(released.oss, released.settings)
    encoder = Encoder(models.fetch(released.oss, base.version, released.settings.cache))
    built = build(
        released.oss, corpus=released.corpus, settings=released.settings, model=base, encoder=encoder,
        engine="opensearch", index=f"{released.corpus}-live",
    )  # fmt: skip
    return str(built["fingerprint"])


@pytest.mark.parametrize("seed", range(SHUFFLED))
def test_models_trained_on_pairs_dealt_anew_are_never_better(
    released: Released, again: dict[str, Any], training_set: str, tmp_path: Path, seed: int
) -> None:
    dealt = shuffled.dealt_anew(released.oss, released.corpus, training_set, seed)
    reader = shuffled.trained(released.oss, "reranker", dealt, tmp_path)
    retriever = shuffled.trained(released.oss, "embedding", dealt, tmp_path)
    candidates = {
        "reranker": again | {"reranker": {"version": reader.version}},
        "embedding": released.build(retriever, f"{released.corpus}-dealt-{seed}"),
    }
    for kind, candidate in candidates.items():
        outcome, report = judged(released, candidate, f"dealt-{kind}-{seed}")
        assert outcome["verdict"] in {"worse", "not enough evidence"}, (kind, report.reasons)


def test_what_is_no_candidate_is_refused_with_one_sentence(released: Released, again: dict[str, Any]) -> None:
    live = f"{released.corpus}-live"
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"generation": {"opensearch": live}}, UsageError, "embedding"),
        (again | {"embedding": {"version": "all-minilm-l6-v2", "dims": 768}}, Terminal, "its card says 384"),
        (again | {"generation": {"opensearch": "not-there"}}, Terminal, "build the generation first"),
    ]
    for candidate, kind, sentence in cases:
        with pytest.raises(kind, match=sentence):
            judged(released, candidate, "wrong")


def test_a_better_model_is_let_through(released: Released, again: dict[str, Any], tmp_path: Path) -> None:
    """Last: it changes what is live."""
    released.release(spoiled(released, tmp_path / "live", 11), Fusion(trained_languages=("en",)))
    said, report = judged(released, again, "better")
    assert said["verdict"] == "better"
    assert said["metrics"]["low"] > 0
    assert report.won[0].gain > 0
