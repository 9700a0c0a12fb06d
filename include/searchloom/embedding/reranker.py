"""Pairs of query and passage to scores, fast: bf16 where the processor has it, batches of pairs of like length.

Importing this module is light; torch and sentence-transformers are loaded with the first model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.embedding.encoder import BATCH_TOKENS, batches, processor_has_bf16
from searchloom.errors import Terminal

Scores = NDArray[np.float32]


class Reranker:
    """One cross-encoder in memory, from a sentence-transformers folder; 0 threads: as many as there are cores.

    Raises ``Terminal`` when the model does not make one score of a pair.
    """

    def __init__(self, folder: Path, max_tokens: int, threads: int = 0, *, bf16: bool | None = None) -> None:
        """Load the model, which will read ``max_tokens`` of a pair; ``bf16`` None: where the processor has it."""
        import torch  # noqa: PLC0415  takes seconds
        from sentence_transformers import CrossEncoder  # noqa: PLC0415
        from transformers.utils import logging as transformers_logging  # noqa: PLC0415

        transformers_logging.disable_progress_bar()
        torch.set_num_threads(threads or os.cpu_count() or 1)
        self._torch: Any = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model: Any = CrossEncoder(str(folder), device=self._device, local_files_only=True).eval()
        self._bf16 = bf16 if bf16 is not None else self._device == "cuda" or processor_has_bf16()
        self.max_tokens = max_tokens
        labels = self._model.config.num_labels
        if labels != 1:
            raise Terminal(f"the model in {folder} makes {labels} scores of a pair; a reranker makes one")

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Return ``[pairs]`` scores of (query, passage), before any activation: any range, the higher the better."""
        scores = np.empty(len(pairs), dtype=np.float32)
        tokenizer = self._model.tokenizer
        queries, passages = [query for query, _ in pairs], [passage for _, passage in pairs]
        encoded = tokenizer(queries, passages, truncation="longest_first", max_length=self.max_tokens) if pairs else {}
        for batch in batches(encoded.get("input_ids", []), BATCH_TOKENS[self._device]):
            columns = {name: [column[index] for index in batch] for name, column in encoded.items()}
            scores[batch] = self._forward(tokenizer.pad(columns, return_tensors="pt"))
        return scores

    def _forward(self, features: Any) -> Scores:
        torch = self._torch
        inputs = {name: tensor.to(self._device) for name, tensor in features.items()}
        with torch.inference_mode(), torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._bf16):
            scores: Scores = self._model(inputs)["scores"].float().cpu().numpy()[:, 0]
        if not np.isfinite(scores).all():
            raise Terminal("the reranker made a score that is no number; its weights are damaged")
        return scores
