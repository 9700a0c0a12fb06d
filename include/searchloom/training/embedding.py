"""``python -m searchloom.training.embedding``: train an embedding model on a training set; a job of PAI-DLC runs it.

Queries and passages that belong together come closer, others of the batch and mined negatives move away. What is
kept is a blend of the trained and the base weights, chosen on dev: it keeps more of what the base knows of documents
that no pair was made of (Wortsman et al., "Model soups", 2022).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from searchloom.training import texts
from searchloom.training.batches import Order, Pair, Pairs
from searchloom.training.checkpoints import Checkpoints, Weights
from searchloom.training.dev import MEASURE, Dev
from searchloom.training.loop import Loop, Outcome, weights_of
from searchloom.training.losses import in_batch_ranking
from searchloom.training.model_files import load_bi_encoder, prepare
from searchloom.training.parameters import EmbeddingParameters
from searchloom.training.precision import mixed
from searchloom.training.program import Job, run
from searchloom.training.training_set import TrainingSet

log = logging.getLogger(__name__)


class EmbeddingTask:
    """A bi-encoder that learns to rank the passages of its batch."""

    def __init__(
        self, model: Any, training_set: TrainingSet, parameters: EmbeddingParameters, *, max_tokens: int
    ) -> None:
        self.model = model
        self._told = parameters
        self._pairs = Pairs(training_set)
        self._order = Order(
            self._pairs, batch_size=parameters.batch_size, epochs=parameters.epochs,
            corpus_ratio=parameters.corpus_ratio, seed=parameters.seed,
        )  # fmt: skip
        self.steps = self._order.steps
        self._read_tokens = min(parameters.max_tokens, max_tokens)
        self._max_tokens = max_tokens
        self._dev = Dev.of(training_set, passages=parameters.dev_passages)

    def loss(self, step: int) -> Any:
        """Return the loss of a step's pairs."""
        batch = self._order.batch(step)
        candidates = _candidates(batch, self._told.negatives)
        passages = [text for _, text in candidates]
        vectors = texts.embed(self.model, [pair.query for pair in batch] + passages, self._read_tokens)
        known = [[self._pairs.is_right(pair.query, mark, text) for mark, text in candidates] for pair in batch]
        # In the other direction, and for passages of one document, the document's id decides.
        for row, pair in enumerate(batch):
            for column, other in enumerate(batch):
                known[row][column] |= pair.doc_id == other.doc_id or self._pairs.is_right(pair.query, other.doc_id)
        device = vectors.device
        with torch.autocast(device.type, enabled=False):
            return in_batch_ranking(
                vectors[: len(batch)],
                vectors[len(batch) :],
                known=torch.tensor(known, device=device),
                weights=torch.tensor([pair.weight for pair in batch], device=device),
                scale=self._told.scale,
                dims=self._told.matryoshka,
            )

    def evaluate(self) -> dict[str, float]:
        """Return dev's figures of the model as it is."""
        with torch.inference_mode(), mixed(self.model):
            queries = texts.embed(self.model, self._dev.queries, self._max_tokens).cpu().numpy()
            passages = texts.embed(self.model, self._dev.passages, self._max_tokens).cpu().numpy()
        return self._dev.figures(np.asarray(queries @ passages.T, dtype=np.float32))


def _candidates(batch: Sequence[Pair], negatives: int) -> list[tuple[str, str]]:
    """Chunk ids and texts: the batch's positives in order, then mined negatives, each text once."""
    positives = [(pair.chunk_id, pair.positive) for pair in batch]
    mined = dict.fromkeys(negative for pair in batch for negative in pair.negatives[:negatives])
    seen = {text for _, text in positives}
    return positives + [(mark, text) for mark, text in mined if text not in seen]


def train(job: Job[EmbeddingParameters]) -> Outcome:
    """Train, and choose the blend."""
    told = job.parameters
    model = prepare(load_bi_encoder(job.base), dropout=told.dropout, save_memory=told.save_memory)
    task = EmbeddingTask(model, job.training_set, told, max_tokens=job.max_tokens)
    base = weights_of(model)
    reserved = sum(share < 1 for share in told.blends)
    outcome = Loop(task, told, Checkpoints(job.checkpoints), job.progress, reserved=reserved).run()
    best_value, best_share = -1.0, 1.0
    for share in told.blends:
        model.load_state_dict(blended(base, outcome.weights, share))
        model.eval()
        figures = {MEASURE: outcome.state.best_value} if share == 1 else task.evaluate()
        job.progress.note("blend", share=share, **figures)
        log.info("dev with %.0f %% of the trained weights: %s %.4f", 100 * share, MEASURE, figures[MEASURE])
        if figures[MEASURE] > best_value:
            best_value, best_share = figures[MEASURE], share
    model.load_state_dict(blended(base, outcome.weights, best_share))
    job.keep(model, outcome.state, {f"dev_after_{MEASURE}": best_value, "blend": best_share})
    return outcome


def blended(base: Weights, tuned: Weights, share: float) -> Weights:
    """Return ``share`` of the tuned weights and the rest of the base's; numbers that are no weights stay."""
    return {
        name: torch.lerp(base[name], tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in tuned.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    return run("embedding", EmbeddingParameters, train, arguments)


if __name__ == "__main__":
    sys.exit(main())
