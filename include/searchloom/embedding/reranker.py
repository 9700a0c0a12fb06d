"""Pairs of query and passage to scores, fast: bf16 where the processor has it, batches of texts of like length.

A reranker is a cross-encoder, which reads query and passage as one text, or a bi-encoder that is read token by token
(see ``late``) and remembers what it read; its folder says which. Importing this module is light; torch and
sentence-transformers are loaded with the first model.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.embedding.encoder import BATCH_TOKENS, batches, processor_has_bf16
from searchloom.embedding.model import makes_vectors
from searchloom.errors import Terminal

Scores = NDArray[np.float32]

MEMORY_MB = 512
"""For passages that were read token by token: about 3,500 of 190 tokens at 384 dimensions."""


class Reranker:
    """One reranker in memory, from a sentence-transformers folder; 0 threads: as many as there are cores.

    Raises ``Terminal`` when the model does not make one score of a pair.
    """

    def __init__(self, folder: Path, max_tokens: int, threads: int = 0, *, bf16: bool | None = None) -> None:
        """Load the model, which will read ``max_tokens``, of a pair or of each text.

        ``bf16`` None: where the processor has it.
        """
        import torch  # noqa: PLC0415  takes seconds
        from sentence_transformers import CrossEncoder, SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging as transformers_logging  # noqa: PLC0415

        transformers_logging.disable_progress_bar()
        torch.set_num_threads(threads or os.cpu_count() or 1)
        self._torch: Any = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._late = makes_vectors(folder)
        self._memory: Any = None
        made_of: Any = SentenceTransformer if self._late else CrossEncoder
        self._model: Any = made_of(str(folder), device=self._device, local_files_only=True).eval()
        self._bf16 = bf16 if bf16 is not None else self._device == "cuda" or processor_has_bf16()
        self.max_tokens = max_tokens
        labels = 1 if self._late else self._model.config.num_labels
        if labels != 1:
            raise Terminal(f"the model in {folder} makes {labels} scores of a pair; a reranker makes one")

    def score(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Return ``[pairs]`` scores of (query, passage), before any activation: any range, the higher the better."""
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._bf16):
            scores = self._token_by_token(pairs) if self._late else self._together(pairs)
        if not np.isfinite(scores).all():
            raise Terminal("the reranker made a score that is no number; its weights are damaged")
        return scores

    def _token_by_token(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        from searchloom.embedding import late  # noqa: PLC0415  loads torch

        self._memory = self._memory or late.Memory(MEMORY_MB)
        budget = BATCH_TOKENS[self._device]
        return late.score(self._model, pairs, max_tokens=self.max_tokens, budget=budget, memory=self._memory)

    def _together(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        scores = np.empty(len(pairs), dtype=np.float32)
        tokenizer = self._model.tokenizer
        queries, passages = [query for query, _ in pairs], [passage for _, passage in pairs]
        encoded = tokenizer(queries, passages, truncation="longest_first", max_length=self.max_tokens) if pairs else {}
        for batch in batches(encoded.get("input_ids", []), BATCH_TOKENS[self._device]):
            columns = {name: [column[index] for index in batch] for name, column in encoded.items()}
            inputs = tokenizer.pad(columns, return_tensors="pt").to(self._device)
            scores[batch] = self._model(dict(inputs))["scores"].float().cpu().numpy()[:, 0]
        return scores
