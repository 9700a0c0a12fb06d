"""The training loop: mixed precision, a rate that rises and falls, evaluations, checkpoints, an end in time.

It is our own, and not the Trainer of sentence-transformers, for three things that the Trainer has no place for: what
is left of the time decides how the rate falls (a machine of any speed ends with a finished training), a checkpoint is
one file that an object store takes whole, and batches carry ids and weights, by which false negatives are masked.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from searchloom.errors import Terminal
from searchloom.training.checkpoints import Checkpoints, Weights
from searchloom.training.dev import MEASURE
from searchloom.training.parameters import Parameters
from searchloom.training.precision import mixed
from searchloom.training.progress import Progress

log = logging.getLogger(__name__)

_EVALUATION_SHARE = 0.25  # of the time, at most, for evaluations during training
_NOTES = 40  # of the loss, in a whole training
_CLIP = 1.0
_HEAD = "classifier"  # as transformers calls it
_PATIENCE = 3.0  # a minute of training may take so many on the wall
_BEGAN = time.monotonic()


class Task(Protocol):
    """What is trained."""

    model: Any
    steps: int

    def loss(self, step: int) -> Any:
        """Return the loss of a step, a scalar that has gradients."""

    def evaluate(self) -> dict[str, float]:
        """Return the figures on dev of the model as it is."""


@dataclass
class State:
    """Where a training is."""

    step: int = 0
    elapsed: float = 0.0  # seconds of work (see clock), of all processes that did it
    evaluation_s: float = 0.0  # what one evaluation takes
    best_step: int = 0  # 0: none yet
    best_value: float = -1.0
    before: dict[str, float] = field(default_factory=dict)
    without_best: int = 0
    done: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished training: the state, and the weights of its best step."""

    state: State
    weights: Weights


class Loop:
    """Trains one task; after a kill another process goes on from the last checkpoint."""

    def __init__(
        self, task: Task, parameters: Parameters, checkpoints: Checkpoints, progress: Progress, *, reserved: int
    ) -> None:
        """``reserved``: evaluations that come after the loop, whose time is kept."""
        self._task = task
        self._told = parameters
        self._checkpoints = checkpoints
        self._progress = progress
        self._reserved = reserved
        self._state = State()
        self._best: Weights = {}
        self._optimizer = torch.optim.AdamW(_groups(task.model, parameters), lr=parameters.learning_rate, fused=True)

    def run(self) -> Outcome:
        """Train to the end and return the best weights."""
        state = self._resume()
        if not state.before:
            state.before = self._evaluate("before training")
        self._train()
        return Outcome(state, self._best)

    def _train(self) -> None:
        state, task = self._state, self._task
        losses: list[float] = []
        marks = self._marks()
        saved = time.monotonic()
        while not state.done:
            began = clock()
            share = self._share()
            rate = self._told.learning_rate * _rate(share, self._told.warm_up)
            for group in self._optimizer.param_groups:
                group["lr"] = rate * group["faster"]
            torch.manual_seed(self._told.seed * 1_000_003 + state.step)
            task.model.train()
            with mixed(task.model):
                loss = task.loss(state.step)
            if not torch.isfinite(loss):
                raise Terminal(f"the loss of step {state.step} is {loss.item()}; lower learning_rate (now {rate:.1e})")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(task.model.parameters(), _CLIP)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            losses.append(loss.item())
            state.step += 1
            state.elapsed += clock() - began
            share = self._share()
            state.done = share >= 1
            if state.done or len(losses) >= max(1, self._steps_in_all() // _NOTES):
                self._note(losses, rate, share)
            if state.done or share >= marks[0]:
                while marks and share >= marks[0]:
                    marks.pop(0)
                self._judge()
            if state.done or time.monotonic() - saved > self._told.checkpoint_seconds:
                self._save()
                saved = time.monotonic()

    def _marks(self) -> list[float]:
        """Shares of the training at which dev is looked at, as many as the time allows; the end is always one."""
        allowed = _EVALUATION_SHARE * self._told.max_minutes * 60 / max(self._state.evaluation_s, 1e-3)
        count = max(1, min(self._told.evaluations, int(allowed)))
        marks = [(number + 1) / count for number in range(count)]
        return [mark for mark in marks if mark > self._share()] or [1.0]

    def _share(self) -> float:
        """How much of the training is done: of its steps or of its time, whichever is more."""
        state = self._state
        seconds = max(self._told.max_minutes * 60 - self._evaluation_seconds(), 1.0)
        return min(1.0, max(state.step / self._task.steps, state.elapsed / seconds))

    def _evaluation_seconds(self) -> float:
        allowed = _EVALUATION_SHARE * self._told.max_minutes * 60
        planned = self._told.evaluations * self._state.evaluation_s
        return self._state.evaluation_s * (1 + self._reserved) + min(planned, max(allowed, self._state.evaluation_s))

    def _steps_in_all(self) -> int:
        share = self._share()
        return round(self._state.step / share) if share else self._task.steps

    def _judge(self) -> None:
        state = self._state
        figures = self._evaluate(f"after step {state.step}")
        if figures[MEASURE] > state.best_value:
            state.best_step, state.best_value, state.without_best = state.step, figures[MEASURE], 0
            self._best = weights_of(self._task.model)
            self._checkpoints.save_best(state.step, self._best)
            self._save()  # so that no state names weights that later ones have replaced
            return
        state.without_best += 1
        if state.without_best >= self._told.patience and not state.done:
            state.done = True
            log.info("dev has not become better %d times: training ends at step %d", state.without_best, state.step)

    def _evaluate(self, what: str) -> dict[str, float]:
        began = clock()
        self._task.model.eval()
        figures = self._task.evaluate()
        took = clock() - began
        self._state.evaluation_s = max(self._state.evaluation_s, took)
        self._progress.dev(step=self._state.step, figures=figures, seconds=took, what=what)
        return figures

    def _note(self, losses: list[float], rate: float, share: float) -> None:
        state = self._state
        self._progress.steps(
            step=state.step, of=self._steps_in_all(), loss=sum(losses) / len(losses), rate=rate,
            seconds=state.elapsed, left_s=state.elapsed * (1 - share) / max(share, 1e-6),
        )  # fmt: skip
        losses.clear()

    def _save(self) -> None:
        state = self._state
        whole = {**vars(state), "weights": weights_of(self._task.model), "optimizer": self._optimizer.state_dict()}
        self._checkpoints.save(state.step, {**whole, "records": self._progress.records})
        log.info("checkpoint of step %d is written", state.step)

    def _resume(self) -> State:
        found = self._checkpoints.load()
        if found is None:
            return self._state
        for name in vars(self._state):
            setattr(self._state, name, found[name])
        self._task.model.load_state_dict(found["weights"])
        self._optimizer.load_state_dict(found["optimizer"])
        self._progress.records[:] = found["records"]
        self._best = found["best"]
        self._progress.note("resumed", step=self._state.step)
        log.info("going on from the checkpoint of step %d", self._state.step)
        return self._state


def clock() -> float:
    """Return seconds of work: a training must not learn less because the machine is busy with something else.

    On a processor they are its own seconds, of all threads by their number, but at least a third of those on the wall.
    """
    if torch.cuda.is_available():
        return time.monotonic()
    worked: float = time.process_time() / torch.get_num_threads()
    return max(worked, (time.monotonic() - _BEGAN) / _PATIENCE)


def weights_of(model: Any) -> Weights:
    """Return a copy of a model's weights, in main memory."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}


def _rate(share: float, warm_up: float) -> float:
    if share < warm_up:
        return max(share / warm_up, 0.02)
    return max((1 - share) / (1 - warm_up), 0.0)


def _groups(model: Any, told: Parameters) -> list[dict[str, Any]]:
    """Weights decay, biases and norms do not; a new head learns faster than what is below it."""
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, tensor in model.named_parameters():
        if tensor.requires_grad:
            decay = told.weight_decay if tensor.ndim > 1 else 0.0
            faster = told.head_rate if _HEAD in name else 1.0
            groups.setdefault((decay, faster), []).append(tensor)
    return [{"params": members, "weight_decay": decay, "faster": faster} for (decay, faster), members in groups.items()]
