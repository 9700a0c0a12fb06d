"""Models that were really trained, on pairs that were dealt anew: no query has an answer that is its own."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa

from searchloom.cloud.oss import Oss
from searchloom.embedding.card import Kind, ModelCard, card_key, model_prefix
from searchloom.embedding.model import package_folder
from searchloom.training import embedding, reranker
from searchloom.training import training_set as sets
from tests.training.models import PACKAGE

_QUICK = ["--epochs", "1", "--max-minutes", "0.5", "--evaluations", "1", "--max-tokens", "64", "--dev-passages", "150"]
_PROGRAMS = {"embedding": embedding.main, "reranker": reranker.main}
_BLENDS = ["--blends", "1.0"]  # with others, training would find out by itself that the base is better


def dealt_anew(oss: Oss, corpus: str, fingerprint: str, seed: int) -> sets.TrainingSet:
    """Write a training set in which every query has the passages of another one; the rest stays as it is."""
    there = sets.read(oss, corpus, fingerprint)
    pairs = there.pairs.to_pylist()
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    # Along a circle in any order, so that none keeps its own.
    giver = dict(zip(order, [*order[1:], order[0]], strict=True))
    rows = [
        {**row, "query_id": pairs[giver[place]]["query_id"], "query": pairs[giver[place]]["query"]}
        for place, row in enumerate(pairs)
    ]
    tables = {name: getattr(there, name.removesuffix(".parquet")) for name in sets.FILES}
    tables["pairs.parquet"] = pa.Table.from_pylist(rows, schema=sets.FILES["pairs.parquet"])
    sets.write(oss, there.card.model_copy(update={"fingerprint": f"{seed:04x}{fingerprint[4:]}"}), tables)
    return sets.read(oss, corpus, f"{seed:04x}{fingerprint[4:]}")


def trained(oss: Oss, kind: Kind, training_set: sets.TrainingSet, out: Path, *more: str) -> ModelCard:
    """Train on a set of OSS, starting from the packaged base, and publish what comes of it."""
    folder, model = out / "set", out / kind
    folder.mkdir(parents=True, exist_ok=True)
    prefix = sets.prefix(training_set.card.corpus, training_set.card.fingerprint)
    for name in (*sets.FILES, sets.CARD):
        (folder / name).write_bytes(oss.get(prefix + name))
    told = ["--training-set", folder, "--base", package_folder(PACKAGE), "--model", model]
    told += ["--checkpoints", out / f"{kind}-checkpoints"]
    blends = _BLENDS if kind == "embedding" else []
    assert _PROGRAMS[kind]([*map(str, told), *_QUICK, *blends, *more]) == 0
    card = ModelCard.model_validate_json((model / "card.json").read_bytes())
    for path in (path for path in model.rglob("*") if path.is_file() and path.name != "card.json"):
        oss.upload(path, model_prefix(card.version, kind) + path.relative_to(model).as_posix())
    oss.put_json(card_key(card.version, kind), card.model_dump(mode="json"))
    return card
