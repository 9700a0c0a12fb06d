"""What both training programs have in common: options, what they read, what they leave in the model's folder."""

from __future__ import annotations

import argparse
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from searchloom.embedding.card import Kind, ModelCard
from searchloom.embedding.model import describe, fingerprint
from searchloom.errors import SearchloomError, Terminal, UsageError
from searchloom.training import training_set as sets
from searchloom.training.checkpoints import Checkpoints, write_whole
from searchloom.training.dev import MEASURE
from searchloom.training.loop import State
from searchloom.training.model_files import save
from searchloom.training.parameters import Parameters, model_version
from searchloom.training.progress import Progress
from searchloom.training.teacher import TeacherScores

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True)
class Job(Generic[P]):
    """One training: what goes in, and where what comes out is put."""

    kind: Kind
    version: str
    parameters: P
    training_set: sets.TrainingSet
    base: Path
    base_card: ModelCard
    model: Path
    checkpoints: Path
    progress: Progress
    teacher: TeacherScores
    retriever: Path | None

    @property
    def max_tokens(self) -> int:
        """Tokens that the base sees of a text, and so the trained model."""
        return self.base_card.max_tokens

    def keep(self, model: Any, state: State, metrics: dict[str, float], *, max_tokens: int = 0) -> ModelCard:
        """Write weights, log, picture and, last, the card; then the checkpoints go.

        ``max_tokens``: that it reads of a text when it serves; 0: as many as its base.
        """
        before = {f"dev_before_{name}": value for name, value in state.before.items()}
        with tempfile.TemporaryDirectory(prefix="model-") as place:
            folder = Path(place)
            save(model, folder, max_tokens=max_tokens or self.max_tokens)
            said = describe(folder)
            card = ModelCard(
                version=self.version, kind=self.kind, base=self.base_card.version, max_tokens=said.max_tokens,
                dims=said.dims if self.kind == "embedding" else 0, languages=self.base_card.languages,
                created=datetime.now(UTC), fingerprint=fingerprint(folder),
                training_set=self.training_set.card.fingerprint, seed=self.parameters.seed,
                parameters=self.parameters.model_dump(mode="json"),
                metrics={**before, **metrics, "steps": state.step, "seconds": round(state.elapsed, 1)},
            )  # fmt: skip
            self._fill(folder)
        log_file, picture = self.progress.jsonl(), self.progress.curve(title=self.version, measure=MEASURE)
        write_whole(self.model / "training_log.jsonl", log_file)
        write_whole(self.model / "curve.svg", picture)
        write_whole(self.model / sets.CARD, card.model_dump_json(indent=1).encode())
        Checkpoints(self.checkpoints).clear()
        log.info(
            "model %s is in its folder: dev %s %.4f before, %.4f after",
            self.version, MEASURE, state.before[MEASURE], metrics[f"dev_after_{MEASURE}"],
        )  # fmt: skip
        return card

    def _fill(self, made: Path) -> None:
        """Put the files of the model where they belong; what a killed try left there goes."""
        self.model.mkdir(parents=True, exist_ok=True)
        for old in self.model.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for path in sorted(made.rglob("*")):
            if path.is_file():
                target = self.model / path.relative_to(made)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def run(kind: Kind, of: type[P], train: Callable[[Job[P]], object], arguments: Sequence[str] | None) -> int:
    """Read the options, train unless the model is there, and return the exit status: 1 after a sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for noisy in ("httpx", "sentence_transformers"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        job = _job(kind, of, arguments)
        if (there := finished(job.model, job.version)) is not None:
            log.info("model %s is there already, made %s", there.version, f"{there.created:%Y-%m-%d %H:%M}")
            return 0
        log.info(
            "training %s on set %s (%d pairs), from %s, at most %.1f minutes",
            job.version, job.training_set.card.fingerprint, len(job.training_set.pairs), job.base_card.version,
            job.parameters.max_minutes,
        )  # fmt: skip
        train(job)
    except SearchloomError as error:
        log.error("%s", error)  # noqa: TRY400  a sentence for whoever reads the task's log, not a stack trace
        return 1
    return 0


def finished(model: Path, version: str) -> ModelCard | None:
    """Return the card of a model that is whole; None where there is none. Raises ``Terminal`` for a card that lies."""
    path = model / sets.CARD
    if not path.is_file():
        return None
    card = ModelCard.model_validate_json(path.read_bytes())
    if card.version != version or card.fingerprint != fingerprint(model):
        raise Terminal(f"{model} holds other files than its card (of {card.version}) says; remove that model first")
    return card


def _job(kind: Kind, of: type[P], arguments: Sequence[str] | None) -> Job[P]:
    told = _parser(kind, of).parse_args(arguments)
    given = {name: getattr(told, name) for name in of.model_fields if getattr(told, name) is not None}
    try:
        parameters = of.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"--{_option(str(first['loc'][0]))} {first['input']}: {first['msg']}") from error
    training_set = sets.read_folder(told.training_set)
    base_card = read_base(told.base)
    if told.dims and told.dims != base_card.dims:
        raise UsageError(
            f"base model {base_card.version!r} makes vectors of {base_card.dims} numbers, not {told.dims}; "
            "name a base model of that length"
        )
    teacher = TeacherScores.read(told.teacher) if told.teacher else TeacherScores({})
    version = model_version(
        kind, training_set=training_set.card.fingerprint, base=base_card.version, parameters=parameters,
        teacher=teacher.fingerprint,
    )  # fmt: skip
    if told.version not in {None, version}:
        raise UsageError(f"what is asked for is model {version!r}, not {told.version!r}; compute the name anew")
    return Job(
        kind, version, parameters, training_set, told.base, base_card, told.model, told.checkpoints, Progress(),
        teacher, told.retriever,
    )  # fmt: skip


def read_base(folder: Path) -> ModelCard:
    """Return the card of the base model; one is made for a folder that has none."""
    said = describe(folder)
    path = folder / sets.CARD
    if path.is_file():
        card = ModelCard.model_validate_json(path.read_bytes())
        # A cross-encoder's files still name the length of the vectors that it was made from; its card says 0.
        lies = card.kind == "embedding" and card.dims != said.dims
        if lies or card.fingerprint != fingerprint(folder):
            raise Terminal(f"the files in {folder} are not those of the card of {card.version!r}; fetch the base again")
        return card
    return ModelCard(
        version=f"{folder.resolve().name}-{fingerprint(folder)[:8]}", base=str(folder), dims=said.dims,
        max_tokens=said.max_tokens, created=datetime.now(UTC), fingerprint=fingerprint(folder),
    )  # fmt: skip


def _parser(kind: Kind, of: type[Parameters]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m searchloom.training.{kind}")
    parser.add_argument("--training-set", type=Path, required=True, help="folder of a training set")
    parser.add_argument("--base", type=Path, required=True, help="folder of the model to start from")
    parser.add_argument("--model", type=Path, required=True, help="folder that the trained model goes to")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder that outlives a killed try")
    parser.add_argument("--version", help="the version that must come out of it; training ends before it begins if not")
    parser.add_argument("--dims", type=int, help="length that the vectors must have")
    parser.add_argument("--teacher", type=Path, help="file of a teacher's scores (rerankers)")
    parser.add_argument(
        "--retriever", type=Path, help="folder of the model that finds candidates on dev; the base (rerankers)"
    )
    for name, field in of.model_fields.items():
        parser.add_argument(
            f"--{_option(name)}", dest=name, type=_numbers if field.annotation == tuple[int, ...]
            or field.annotation == tuple[float, ...] else str, help=f"{field.description or name} ({field.default})",
        )  # fmt: skip
    return parser


def options(parameters: Parameters) -> list[str]:
    """Return the command line's options that say the same as ``parameters``."""
    words = []
    for name, value in parameters.model_dump().items():
        text = ",".join(str(each) for each in value) if isinstance(value, tuple) else str(value)
        words += [f"--{_option(name)}", text]
    return words


def _option(name: str) -> str:
    return name.replace("_", "-")


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
