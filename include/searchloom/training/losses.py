"""What training minimises; tensors in fp32, whatever the model computes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  as everybody calls it

_FORBIDDEN = -1e4
_DUPLICATE = 0.97  # cosine of two texts that say the same: one is no negative of the other's query


def in_batch_ranking(
    queries: Any, candidates: Any, *, known: Any, weights: Any, scale: float, dims: Sequence[int] = ()
) -> Any:
    """Multiple-negatives ranking, symmetric: a query finds its passage among all, a passage its query.

    ``queries`` ``[n, d]``; ``candidates`` ``[m, d]``: the n positives in the order of the queries, then mined
    negatives; ``known`` ``[n, m]`` bool: candidates that are right too and so no negatives; ``weights`` ``[n]``.
    ``dims``: lengths of prefixes that count like the whole vector (Matryoshka).

    Source: Henderson et al., "Efficient natural language response suggestion", 2017; Kusupati et al., 2022.
    """
    with torch.no_grad():
        units = F.normalize(candidates, dim=1)
        known = known | (units[: len(queries)] @ units.T > _DUPLICATE)
    total = torch.zeros((), device=queries.device)
    lengths = list(dims) or [queries.shape[1]]
    for length in lengths:
        scores = scale * F.normalize(queries[:, :length], dim=1) @ F.normalize(candidates[:, :length], dim=1).T
        total = total + both_ways(scores, known=known, weights=weights)
    return total / len(lengths)


def both_ways(scores: Any, *, known: Any, weights: Any) -> Any:
    """Cross-entropy of a query finding its passage among all, and a passage its query.

    ``scores`` and ``known`` ``[n, m]``: the first n passages are those of the queries, in their order.
    """
    count = len(scores)
    own = torch.eye(count, scores.shape[1], dtype=torch.bool, device=scores.device)
    barred = torch.zeros_like(scores).masked_fill(known & ~own, _FORBIDDEN)
    targets = torch.arange(count, device=scores.device)
    forward = F.cross_entropy(scores + barred, targets, reduction="none")
    backward = F.cross_entropy((scores[:, :count] + barred[:, :count]).T, targets, reduction="none")
    return ((forward + backward) / 2 * weights).sum() / weights.sum()


def listwise(scores: Any, *, weights: Any) -> Any:
    """Cross-entropy of lists whose first passage is the right one; ``scores`` ``[lists, length]``, -inf: no passage."""
    targets = torch.zeros(len(scores), dtype=torch.long, device=scores.device)
    losses = F.cross_entropy(scores, targets, reduction="none")
    return (losses * weights).sum() / weights.sum()


def distilled(scores: Any, teacher: Any, *, weights: Any) -> Any:
    """Kullback-Leibler divergence of the lists' softmax from the teacher's; the shapes of ``listwise``."""
    wanted = F.softmax(teacher, dim=1)
    present = torch.isfinite(scores)
    logs = F.log_softmax(scores, dim=1).masked_fill(~present, 0.0)
    wanted_logs = F.log_softmax(teacher, dim=1).masked_fill(~present, 0.0)
    losses = (wanted * (wanted_logs - logs)).sum(dim=1)
    return (losses * weights).sum() / weights.sum()
