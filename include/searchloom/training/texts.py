"""Texts through a model, with gradients where they are wanted: sorted by length, so that little is padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  as everybody calls it

from searchloom.embedding.late import token_vectors

_TOKENS_A_PART = 2048  # padding included; what a processor keeps at hand, and a GPU takes the whole batch


def run(model: Any, columns: dict[str, list[list[int]]], output: str) -> Any:
    """Return the model's output for tokenised texts, in their order, in fp32: ``[texts, ...]``."""
    return _joined(columns, model, lambda features: model(features)[output].float())


def interactions(model: Any, queries: Sequence[str], passages: Sequence[str], max_tokens: int) -> Any:
    """Return ``[queries, passages]`` fp32: the score of every query with every passage, as ``late.score`` has it.

    All tokens of all queries go through one product with those of a part's passages: queries differ much in length,
    and padding them would be most of the work.
    """
    short = dict(model.tokenizer(list(queries), truncation=True, max_length=max_tokens))
    features = model.tokenizer.pad(short, return_tensors="pt").to(next(model.parameters()).device)
    there = features["attention_mask"].bool()
    asked = token_vectors(model, features)[there]  # [tokens, width]
    owners = F.one_hot(there.nonzero()[:, 0], len(there)).T.float()  # [queries, tokens]
    owners = owners / owners.sum(dim=1, keepdim=True)
    columns = dict(model.tokenizer(list(passages), truncation=True, max_length=max_tokens))

    def found(features: dict[str, Any]) -> Any:
        read = token_vectors(model, features)
        likeness = (asked @ read.flatten(0, 1).T).unflatten(1, read.shape[:2])  # [tokens, passages, tokens of these]
        nearest = likeness.masked_fill(~features["attention_mask"].bool(), -1.0).amax(dim=2)
        with torch.autocast(nearest.device.type, enabled=False):
            return (owners @ nearest.float()).T

    return _joined(columns, model, found).T


def _joined(columns: dict[str, list[list[int]]], model: Any, made_of: Callable[[dict[str, Any]], Any]) -> Any:
    """Make something of texts of like length at a time, a row each; the rows are in the order of the texts."""
    lengths = np.array([len(ids) for ids in columns["input_ids"]])
    order = np.argsort(-lengths, kind="stable")
    device = next(model.parameters()).device
    budget = _TOKENS_A_PART * (32 if device.type == "cuda" else 1)
    parts = []
    start = 0
    while start < len(order):
        chosen = order[start : start + max(1, budget // max(1, int(lengths[order[start]])))]
        start += len(chosen)
        batch = {name: [column[index] for index in chosen] for name, column in columns.items()}
        parts.append(made_of(dict(model.tokenizer.pad(batch, return_tensors="pt").to(device))))
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
