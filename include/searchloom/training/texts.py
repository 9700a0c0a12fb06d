"""Texts through a model, with gradients where they are wanted: sorted by length, so that little is padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as everybody calls it

_TOKENS_A_PART = 4096  # padding included; more does not help a processor, and a GPU takes the whole batch


def run(model: Any, columns: dict[str, list[list[int]]], output: str) -> Any:
    """Return the model's output for tokenised texts, in their order, in fp32: ``[texts, ...]``."""
    lengths = np.array([len(ids) for ids in columns["input_ids"]])
    order = np.argsort(-lengths, kind="stable")
    device = next(model.parameters()).device
    budget = _TOKENS_A_PART * (16 if device.type == "cuda" else 1)
    parts = []
    start = 0
    while start < len(order):
        chosen = order[start : start + max(1, budget // max(1, int(lengths[order[start]])))]
        start += len(chosen)
        batch = {name: [column[index] for index in chosen] for name, column in columns.items()}
        features = model.tokenizer.pad(batch, return_tensors="pt").to(device)
        parts.append(model(dict(features))[output].float())
    return torch.cat(parts)[torch.from_numpy(np.argsort(order)).to(device)]


def embed(model: Any, texts: Sequence[str], max_tokens: int) -> Any:
    """Return ``[texts, dims]`` fp32 vectors of unit length."""
    columns = model.tokenizer(list(texts), truncation=True, max_length=max_tokens)
    # Normalised once more in fp32: what bf16 normalised is off by a per cent.
    return F.normalize(run(model, dict(columns), "sentence_embedding"), dim=1)


def score(model: Any, pairs: Sequence[tuple[str, str]], max_tokens: int) -> Any:
    """Return ``[pairs]`` fp32 scores of a cross-encoder, before any activation; the passage is what is cut."""
    queries, passages = [query for query, _ in pairs], [passage for _, passage in pairs]
    columns = model.tokenizer(queries, passages, truncation="longest_first", max_length=max_tokens)
    return run(model, dict(columns), "scores")[:, 0]
