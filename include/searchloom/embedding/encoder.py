"""Texts to vectors, fast: bf16 where the processor has it, batches of texts of like length.

Importing this module is light; torch and sentence-transformers are loaded with the first model.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchloom.embedding.model import describe
from searchloom.errors import Terminal

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

_WINDOW = 4096  # texts that are tokenised and sorted together
BATCH_TOKENS = {"cpu": 4096, "cuda": 65_536}  # padding included; measured, more does not help
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # as x86 and ARM kernels call them


class Encoder:
    """One embedding model in memory, from a sentence-transformers folder; 0 threads: as many as there are cores.

    Raises ``Terminal`` when the model does not make vectors of the length that its folder says.
    """

    def __init__(self, folder: Path, threads: int = 0, *, bf16: bool | None = None) -> None:
        """Load the model; ``bf16`` None: where the processor has it."""
        import torch  # noqa: PLC0415  takes seconds
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from transformers.utils import logging as transformers_logging  # noqa: PLC0415

        transformers_logging.disable_progress_bar()
        said = describe(folder)
        torch.set_num_threads(threads or os.cpu_count() or 1)
        self._torch: Any = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model: Any = SentenceTransformer(str(folder), device=self._device, local_files_only=True).eval()
        self._bf16 = bf16 if bf16 is not None else self._device == "cuda" or processor_has_bf16()
        self.max_tokens = said.max_tokens
        self.dims = int(self._model.get_embedding_dimension())
        if self.dims != said.dims:
            raise Terminal(f"the model in {folder} makes vectors of {self.dims} numbers, its card says {said.dims}")

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Return ``[len(texts), dims]`` float32 vectors of unit length; ``progress`` hears how many texts are done."""
        vectors = np.empty((len(texts), self.dims), dtype=np.float32)
        for start in range(0, len(texts), _WINDOW):
            self._encode_window(texts[start : start + _WINDOW], vectors[start : start + _WINDOW], start, progress)
        return vectors

    def _encode_window(
        self, texts: Sequence[str], vectors: Vectors, before: int, progress: Callable[[int], None] | None
    ) -> None:
        tokenizer = self._model.tokenizer
        encoded = tokenizer(list(texts), truncation=True, max_length=self.max_tokens)
        done = before
        for batch in batches(encoded["input_ids"], BATCH_TOKENS[self._device]):
            columns = {name: [column[index] for index in batch] for name, column in encoded.items()}
            vectors[batch] = self._forward(tokenizer.pad(columns, return_tensors="pt"))
            done += len(batch)
            if progress is not None:
                progress(done)

    def _forward(self, features: Any) -> Vectors:
        torch = self._torch
        inputs = {name: tensor.to(self._device) for name, tensor in features.items()}
        with torch.inference_mode(), torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._bf16):
            raw: Vectors = self._model(inputs)["sentence_embedding"].float().cpu().numpy()
        norms = np.linalg.norm(raw, axis=1, keepdims=True)  # in fp32: what bf16 normalised is off by a per cent
        if not np.isfinite(raw).all() or not norms.all():
            raise Terminal("the embedding model made a vector of no length or of no numbers; its weights are damaged")
        unit: Vectors = raw / norms
        return unit


def batches(texts: Sequence[Sequence[int]], budget: int) -> Iterator[NDArray[np.intp]]:
    """Put tokenised texts of like length together, the longest first: indices of at most ``budget`` tokens, padded."""
    lengths = np.array([len(ids) for ids in texts], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        batch = order[start : start + max(1, budget // max(1, int(lengths[order[start]])))]
        start += len(batch)
        yield batch


def processor_has_bf16() -> bool:
    """Whether the processor computes in bf16 itself (emulated it is slower than fp32)."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return False
    return bool(words & _BF16_FLAGS)
