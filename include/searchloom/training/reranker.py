"""``python -m searchloom.training.reranker``: train what reads the head of a ranking once more.

It learns to put a passage that answers the query before passages that were mined because they look as if they did. A
bi-encoder (the own one, say) is read token by token, so that it starts from what it knows; as a cross-encoder it would
get a new head, which minutes of training do not teach. A cross-encoder stays one. On dev it re-orders what the
retriever puts first, as it will when it serves: its score is blended with the retriever's.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from searchloom.embedding import late
from searchloom.embedding.encoder import BATCH_TOKENS
from searchloom.embedding.model import makes_vectors
from searchloom.errors import UsageError
from searchloom.training import texts
from searchloom.training.batches import Order, Pair, Pairs
from searchloom.training.checkpoints import Checkpoints
from searchloom.training.dev import MEASURE, Dev
from searchloom.training.loop import Loop, Outcome
from searchloom.training.losses import both_ways, distilled, listwise
from searchloom.training.model_files import load_bi_encoder, load_cross_encoder, prepare
from searchloom.training.parameters import RerankerParameters
from searchloom.training.precision import mixed
from searchloom.training.program import Job, run
from searchloom.training.teacher import TeacherScores
from searchloom.training.training_set import TrainingSet

log = logging.getLogger(__name__)

Members = list[tuple[str, str]]
"""A list to learn from: chunk ids and texts, the right one first."""

_WEIGHT = 0.3  # of the reranker in dev's figure; the weight that serves is learned on the whole of dev, by the release


class RerankerTask(ABC):
    """A reranker that learns to put the right passage first; what kinds of rerankers have in common."""

    def __init__(
        self, model: Any, retriever: Any, training_set: TrainingSet, parameters: RerankerParameters, *,
        max_tokens: int, teacher: TeacherScores,
    ) -> None:  # fmt: skip
        self.model = model
        self._told = parameters
        self._pairs = Pairs(training_set)
        self._order = Order(
            self._pairs, batch_size=parameters.batch_size, epochs=parameters.epochs,
            corpus_ratio=parameters.corpus_ratio, seed=parameters.seed,
        )  # fmt: skip
        self.steps = self._order.steps
        self._max_tokens = max_tokens
        self._teacher = teacher
        self._dev = _Candidates.of(Dev.of(training_set, passages=parameters.dev_passages), retriever, parameters.depth)

    def loss(self, step: int) -> Any:
        """Return the loss of a step's pairs."""
        batch = self._order.batch(step)
        lists = [self._list(pair) for pair in batch]
        weights = torch.tensor([pair.weight for pair in batch], device=next(self.model.parameters()).device)
        loss, table = self._learned(batch, lists, weights)
        taught = [self._taught(pair, members) for pair, members in zip(batch, lists, strict=True)]
        rows = [row for row, known in enumerate(taught) if known is not None]
        if not rows or not self._told.teacher_share:
            return loss
        flat_scores = torch.tensor([s for row in rows for s in taught[row] or ()], device=table.device)
        wanted = _padded(flat_scores * self._told.teacher_scale, [len(lists[row]) for row in rows])
        part = torch.tensor(rows, device=table.device)
        taught_loss = distilled(table[part][:, : wanted.shape[1]], wanted, weights=weights[part])
        share = self._told.teacher_share * len(rows) / len(batch)
        return (1 - share) * loss + share * taught_loss

    def evaluate(self) -> dict[str, float]:
        """Return dev's figures: of the blend, and of the reranker alone."""
        with torch.inference_mode(), mixed(self.model):
            return self._dev.figures(self._scores(self._dev.pairs))

    def retriever_figures(self) -> dict[str, float]:
        """Return dev's figures of the retriever without a reranker."""
        return self._dev.figures(np.zeros(len(self._dev.pairs), dtype=np.float32))

    @abstractmethod
    def _learned(self, batch: Sequence[Pair], lists: Sequence[Members], weights: Any) -> tuple[Any, Any]:
        """Return the loss of a batch, and ``[lists, longest]`` scores of the lists, -inf where one is shorter."""

    @abstractmethod
    def _scores(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Return the score of each pair, as it will be when the model serves."""

    def _list(self, pair: Pair) -> Members:
        """The right passage and mined ones that are not known to be right: chunk ids and texts."""
        mined = [
            (mark, text)
            for mark, text in pair.negatives
            if text != pair.positive and not self._pairs.is_right(pair.query, mark, text)
        ]
        return [(pair.chunk_id, pair.positive), *mined[: self._told.negatives]]

    def _taught(self, pair: Pair, members: Members) -> list[float] | None:
        known = self._teacher.scores.get(pair.query, {})
        scores = [known[mark] for mark, _ in members if mark in known]
        return scores if len(scores) == len(members) > 1 else None


class Together(RerankerTask):
    """A cross-encoder: query and passage are read as one text. It learns from the lists alone."""

    def _learned(self, batch: Sequence[Pair], lists: Sequence[Members], weights: Any) -> tuple[Any, Any]:
        flat = [(pair.query, text) for pair, members in zip(batch, lists, strict=True) for _, text in members]
        scores = texts.score(self.model, flat, self._max_tokens)
        with torch.autocast(scores.device.type, enabled=False):
            table = _padded(scores, [len(members) for members in lists])
            return listwise(table, weights=weights), table

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = texts.score(self.model, pairs, self._max_tokens).cpu().numpy()
        return scores


class TokenByToken(RerankerTask):
    """A bi-encoder read token by token: every passage of the batch is one that another query's must beat."""

    def _learned(self, batch: Sequence[Pair], lists: Sequence[Members], weights: Any) -> tuple[Any, Any]:
        mined = dict.fromkeys(member for members in lists for member in members[1:])
        passages = [members[0] for members in lists] + list(mined)
        found = texts.interactions(
            self.model, [pair.query for pair in batch], [text for _, text in passages], self._max_tokens
        )
        known = [[self._pairs.is_right(pair.query, mark, text) for mark, text in passages] for pair in batch]
        for row, pair in enumerate(batch):
            for column, other in enumerate(batch):
                known[row][column] |= pair.doc_id == other.doc_id or self._pairs.is_right(pair.query, other.doc_id)
        place = {member: len(batch) + column for column, member in enumerate(mined)}
        with torch.autocast(found.device.type, enabled=False):
            scores = self._told.scale * found
            lengths = [len(members) for members in lists]
            listed = [[row, *(place[one] for one in members[1:])] for row, members in enumerate(lists)]
            flat = torch.cat([scores[row, columns] for row, columns in enumerate(listed)])
            loss = both_ways(scores, known=torch.tensor(known, device=scores.device), weights=weights)
            return loss, _padded(flat, lengths)

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        budget = BATCH_TOKENS[next(self.model.parameters()).device.type]
        return late.score(self.model, pairs, max_tokens=self._max_tokens, budget=budget)


class _Candidates:
    """What the retriever puts first for dev's queries."""

    def __init__(self, dev: Dev, places: NDArray[np.int64], found: NDArray[np.float32]) -> None:
        self._dev = dev
        self._places = places  # [queries, depth] of passages
        self._found = found  # their cosines
        self.pairs = [
            (query, dev.passages[place]) for query, row in zip(dev.queries, places, strict=True) for place in row
        ]

    @classmethod
    def of(cls, dev: Dev, retriever: Any, depth: int) -> _Candidates:
        retriever.eval()
        with torch.inference_mode(), mixed(retriever):
            queries = texts.embed(retriever, dev.queries, retriever.max_seq_length).cpu().numpy()
            passages = texts.embed(retriever, dev.passages, retriever.max_seq_length).cpu().numpy()
        cosines = np.asarray(queries @ passages.T, dtype=np.float32)
        places = np.argsort(-cosines, axis=1, kind="stable")[:, :depth]
        return cls(dev, places, np.take_along_axis(cosines, places, axis=1))

    def figures(self, scores: NDArray[np.float32]) -> dict[str, float]:
        table = scores.reshape(self._places.shape)
        figures = self._measured((1 - _WEIGHT) * _scaled(self._found) + _WEIGHT * _scaled(table))
        return {**figures, f"alone_{MEASURE}": self._measured(table)[MEASURE]}

    def _measured(self, table: NDArray[np.float32]) -> dict[str, float]:
        whole = np.full((len(self._places), len(self._dev.passages)), -np.inf, dtype=np.float32)
        np.put_along_axis(whole, self._places, table, axis=1)
        return self._dev.figures(whole)


def train(job: Job[RerankerParameters]) -> Outcome:
    """Train, and keep the best."""
    told = job.parameters
    retriever = job.retriever or job.base
    if not makes_vectors(retriever):
        raise UsageError(f"{retriever} makes no vectors; name the model that finds the candidates with --retriever")
    torch.manual_seed(told.seed)  # a new head is drawn by chance
    max_tokens = min(told.max_tokens, job.max_tokens)  # more than it was trained on is not read when it serves
    late_one = told.form == "late" and makes_vectors(job.base)
    model = load_bi_encoder(job.base) if late_one else load_cross_encoder(job.base, max_tokens=max_tokens)
    prepare(model, dropout=told.dropout, save_memory=told.save_memory)
    kind = TokenByToken if late_one else Together
    task = kind(
        model, load_bi_encoder(retriever), job.training_set, told, max_tokens=max_tokens, teacher=job.teacher,
    )  # fmt: skip
    alone = task.retriever_figures()[MEASURE]
    outcome = Loop(task, told, Checkpoints(job.checkpoints), job.progress, reserved=0).run()
    log.info("dev without a reranker: %s %.4f; with it: %.4f", MEASURE, alone, outcome.state.best_value)
    model.load_state_dict(outcome.weights)
    metrics = {f"dev_retriever_{MEASURE}": alone, f"dev_after_{MEASURE}": outcome.state.best_value}
    job.keep(model, outcome.state, metrics, max_tokens=max_tokens)
    return outcome


def _padded(scores: Any, lengths: Sequence[int]) -> Any:
    """Make ``[lists, longest]`` of a flat row of scores; -inf where a list is shorter."""
    table = torch.full((len(lengths), max(lengths)), -torch.inf, device=scores.device)
    rows = [row for row, length in enumerate(lengths) for _ in range(length)]
    columns = [column for length in lengths for column in range(length)]
    return table.index_put((torch.tensor(rows), torch.tensor(columns)), scores)


def _scaled(table: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = table.min(axis=1, keepdims=True), table.max(axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (table - low) / np.maximum(high - low, np.float32(1e-9))
    return scaled


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    return run("reranker", RerankerParameters, train, arguments)


if __name__ == "__main__":
    sys.exit(main())
