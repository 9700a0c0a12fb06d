"""Models of sentence-transformers: from a folder into memory, trainable, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils import logging as transformers_logging

_LIMITS = "sentence_bert_config.json"


def load_bi_encoder(folder: Path) -> Any:
    """Load a bi-encoder with fp32 master weights, on the GPU if there is one."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  takes seconds

    transformers_logging.disable_progress_bar()
    model = SentenceTransformer(
        str(folder), device=_device(), local_files_only=True, model_kwargs={"torch_dtype": torch.float32}
    )
    return model.float()


def load_cross_encoder(folder: Path, *, max_tokens: int) -> Any:
    """Load a cross-encoder, or make one of a bi-encoder: its weights and a new head of one score."""
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # that a head is new is what is wanted
    model = CrossEncoder(str(folder), num_labels=1, device=_device(), local_files_only=True, max_length=max_tokens)
    transformers_logging.set_verbosity(verbosity)
    return model.float()


def prepare(model: Any, *, dropout: float, save_memory: bool) -> Any:
    """Set how a model is trained, which is no part of what is saved."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
        elif isinstance(module, PreTrainedModel) and _device() == "cpu":
            # On a processor torch's fused attention takes a third of a step, most of it on the way back.
            module.set_attn_implementation("eager")
    if save_memory:
        model.gradient_checkpointing_enable()
    return model


def save(model: Any, folder: Path, *, max_tokens: int) -> None:
    """Write the model's files: safetensors, in the layout of sentence-transformers."""
    model.save_pretrained(str(folder), create_model_card=False)
    # sentence-transformers notes the limit with the tokenizer alone; here it is where everybody looks for it.
    path = folder / _LIMITS
    limits = json.loads(path.read_bytes()) if path.is_file() else {}
    path.write_text(json.dumps({**limits, "max_seq_length": max_tokens}, indent=1), encoding="utf-8")


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
