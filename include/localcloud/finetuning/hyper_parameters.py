"""The hyper-parameters of a fine-tune: what is allowed, and what is taken where nothing is said.

Documented at https://help.aliyun.com/en/model-studio/create-fine-tuning-job-api; names that are not of the list are
taken in and not used, which the job's log says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from localcloud.dashscope.errors import invalid_parameter

_SCHEDULERS = (
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HyperParameters:
    """``split``: the share of the data that is trained on where no validation file is given.

    ``max_length``: tokens of a conversation; longer ones are left out. ``eval_steps``: how often the loss on the
    validation data is computed.
    """

    n_epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 1e-4
    max_length: int = 2048
    split: float = 0.8
    lr_scheduler_type: str = "linear"
    warmup_ratio: float = 0.05
    weight_decay: float = 0.1
    lora_rank: int = 8
    lora_alpha: int = 32
    lora_dropout: float = 0.1
    eval_steps: int = 50
    max_split_val_dataset_sample: int = 1000


_LIMITS: Mapping[str, tuple[float, float]] = {
    "n_epochs": (1, 200),
    "batch_size": (1, 1024),
    "learning_rate": (1e-9, 1),
    "max_length": (8, 131_072),
    "split": (0.01, 1),
    "warmup_ratio": (0, 1),
    "weight_decay": (0, 1),
    "lora_rank": (1, 256),
    "lora_alpha": (1, 1024),
    "lora_dropout": (0, 0.9),
    "eval_steps": (1, 1_000_000),
    "max_split_val_dataset_sample": (1, 1_000_000),
}


def hyper_parameters_of(given: Mapping[str, Any]) -> HyperParameters:
    """Check what was asked for; raises ``InvalidParameter``."""
    known = {name: given[name] for name in _names() if given.get(name) is not None}
    scheduler = known.get("lr_scheduler_type", "linear")
    if scheduler not in _SCHEDULERS:
        raise invalid_parameter(f"lr_scheduler_type is {scheduler!r}; it must be one of {', '.join(_SCHEDULERS)}.")
    numbers = {name: _number(name, value) for name, value in known.items() if name in _LIMITS}
    return HyperParameters(**{**known, **numbers})


def unused(given: Mapping[str, Any]) -> list[str]:
    """The names that mean nothing here."""
    return sorted(set(given) - set(_names()))


def _names() -> list[str]:
    return [field.name for field in fields(HyperParameters)]


def _number(name: str, value: Any) -> float:
    low, high = _LIMITS[name]
    whole = isinstance(getattr(HyperParameters(), name), int)
    try:
        # Clients write small numbers as text ("1.6e-5").
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not low <= number <= high or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise invalid_parameter(f"{name} is {value!r}; it must be {kind} from {low:g} to {high:g}.")
    return int(number) if whole else number
