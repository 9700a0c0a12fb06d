"""``python -m localcloud.finetuning.training FOLDER``: train an adapter as ``FOLDER/training.json`` says.

LoRA on the packaged language model, whatever the base model is called and whether the training type is ``sft`` or
``efficient_sft``. What it says is the job's log. It leaves ``adapter/`` and ``outcome.json``; its exit status is 1 when
the data cannot be trained on, which the outcome explains.

Two idle cores train some 300 tokens a second, so no more than ``MAX_TOKENS`` are trained on: the steps that would go
beyond it are left out, and the log says so.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import warnings
from pathlib import Path
from typing import Any

from localcloud.dashscope.language_model import unpacked_model
from localcloud.finetuning.chat_data import Conversation, DataError, read_conversations
from localcloud.finetuning.hyper_parameters import HyperParameters
from localcloud.pai_dlc.runner import write_json
from localcloud.processor import computes_in_bf16

MAX_TOKENS = 60_000
"""Tokens that a job is trained on, at most."""

_MAX_LENGTH = 2048
_MAX_VALIDATION = 32
# Tokens that go through the model at once: it needs about 1 MB for each.
_MICRO_TOKENS = 2048
_IGNORED = -100
_SEED = 17
_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_NICENESS = 5
Example = dict[str, list[int]]


def main(folder: Path) -> int:
    """Train; returns the exit status."""
    os.nice(_NICENESS)
    asked = json.loads((folder / "training.json").read_bytes())
    parameters = HyperParameters(**asked["hyper_parameters"])
    _say(f"Job {asked['job']}: {asked['training_type']} of {asked['model']}, here LoRA on the packaged model.")
    for name in asked["unused"]:
        _say(f"The hyper-parameter {name} is not used here.")
    try:
        training, validation = _conversations(folder, asked, parameters)
        tokens = _train(folder, asked, parameters, training, validation)
    except DataError as error:
        _say(f"The data cannot be trained on. {error}")
        write_json(folder / "outcome.json", {"code": "InvalidTrainingFile", "message": str(error)})
        return 1
    write_json(folder / "outcome.json", {"tokens": tokens})
    _say(f"The fine-tune is done: {tokens} tokens were trained on.")
    return 0


def _conversations(
    folder: Path, asked: dict[str, Any], parameters: HyperParameters
) -> tuple[list[Conversation], list[Conversation]]:
    """What to train on and what to judge by, which is split off where no file is given for it."""
    training, validation = (
        [each for file in asked[part] for each in read_conversations(folder / "data" / file["id"], file["name"])]
        for part in ("training", "validation")
    )
    if not validation:
        random.Random(_SEED).shuffle(training)  # noqa: S311 - no secret
        kept = max(1, math.ceil(len(training) * parameters.split))
        training, validation = training[:kept], training[kept:][: parameters.max_split_val_dataset_sample]
    _say(f"{len(training)} conversations to train on, {len(validation)} to judge by.")
    return training, validation


def _train(
    folder: Path,
    asked: dict[str, Any],
    parameters: HyperParameters,
    training: list[Conversation],
    validation: list[Conversation],
) -> int:
    # Here and not above: they take seconds, and bad data is found without them.
    warnings.filterwarnings("ignore")
    from transformers import (  # noqa: PLC0415
        AutoModelForCausalLM,
        AutoTokenizer,
        DataCollatorForSeq2Seq,
        PrinterCallback,
        Trainer,
    )

    weights = unpacked_model(Path(asked["cache"]))
    tokenizer: Any = AutoTokenizer.from_pretrained(weights)
    examples = _examples(tokenizer, training, parameters.max_length)
    judged_by = _examples(tokenizer, validation, parameters.max_length)[:_MAX_VALIDATION] if validation else []
    steps, micro_batch, accumulated = _plan(examples, parameters)
    model = _adapted(AutoModelForCausalLM.from_pretrained(weights, dtype="float32"), asked["start_from"], parameters)
    trained, total = model.get_nb_trainable_parameters()
    _say(f"{trained} of {total} parameters are trained, in {steps} steps.")
    trainer = Trainer(
        model=model,
        args=_arguments(folder, parameters, steps, micro_batch, accumulated, judge=bool(judged_by)),
        train_dataset=examples,
        eval_dataset=judged_by or None,
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=_IGNORED),
        callbacks=[_teller(steps)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    if judged_by and steps % parameters.eval_steps:
        trainer.evaluate()
    model.save_pretrained(folder / "adapter")
    seen = min(len(examples) * parameters.n_epochs, steps * micro_batch * accumulated)
    return round(seen * sum(len(example["input_ids"]) for example in examples) / len(examples))


def _adapted(base: Any, start_from: str | None, parameters: HyperParameters) -> Any:
    """The model with an adapter to train: a new one, or the one in ``start_from``."""
    from peft import LoraConfig, PeftModel, get_peft_model  # noqa: PLC0415

    if start_from:
        _say("Training goes on from the adapter of the model that was named.")
        return PeftModel.from_pretrained(base, start_from, is_trainable=True)
    shape = LoraConfig(
        r=parameters.lora_rank,
        lora_alpha=parameters.lora_alpha,
        lora_dropout=parameters.lora_dropout,
        target_modules=list(_LAYERS),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, shape)


def _examples(tokenizer: Any, conversations: list[Conversation], max_length: int) -> list[Example]:
    longest = min(max_length, _MAX_LENGTH)
    all_examples = [_example(tokenizer, conversation) for conversation in conversations]
    kept = [example for example in all_examples if len(example["input_ids"]) <= longest]
    if len(kept) < len(all_examples):
        _say(f"{len(all_examples) - len(kept)} conversations of more than {longest} tokens are left out.")
    if not kept:
        raise DataError(f"No conversation has at most {longest} tokens.")
    return kept


def _example(tokenizer: Any, conversation: Conversation) -> Example:
    """The tokens of a conversation in the model's own form, and as labels those that the assistant says."""
    said, tokens, labels = "", [], []
    for position, message in enumerate(conversation):
        if message["role"] != "assistant":
            continue
        before = tokenizer.apply_chat_template(conversation[:position], tokenize=False, add_generation_prompt=True)
        after = tokenizer.apply_chat_template(conversation[: position + 1], tokenize=False)
        asked = tokenizer.encode(before[len(said) :], add_special_tokens=False)
        answered = tokenizer.encode(after[len(before) :], add_special_tokens=False)
        tokens += [*asked, *answered]
        labels += [*([_IGNORED] * len(asked)), *answered]
        said = after
    return {"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": labels}


def _plan(examples: list[Example], parameters: HyperParameters) -> tuple[int, int, int]:
    """How many steps, and of how many passes of how many conversations each is made."""
    batch = min(parameters.batch_size, len(examples))
    longest = max(len(example["input_ids"]) for example in examples)
    passes = math.ceil(batch / max(1, _MICRO_TOKENS // longest))
    micro_batch = math.ceil(batch / passes)
    planned = math.ceil(len(examples) / (micro_batch * passes)) * parameters.n_epochs
    tokens_of_step = sum(len(example["input_ids"]) for example in examples) / len(examples) * micro_batch * passes
    steps = min(planned, max(1, math.floor(MAX_TOKENS / tokens_of_step)))
    if steps < planned:
        _say(f"{planned} steps were asked for; {steps} are done, as no more than {MAX_TOKENS} tokens are trained here.")
    return steps, micro_batch, passes


def _arguments(
    folder: Path, parameters: HyperParameters, steps: int, micro_batch: int, accumulated: int, *, judge: bool
) -> Any:
    from transformers import TrainingArguments  # noqa: PLC0415

    return TrainingArguments(
        output_dir=str(folder / "work"),
        max_steps=steps,
        per_device_train_batch_size=micro_batch,
        per_device_eval_batch_size=micro_batch,
        gradient_accumulation_steps=accumulated,
        learning_rate=parameters.learning_rate,
        lr_scheduler_type=parameters.lr_scheduler_type,
        warmup_steps=round(parameters.warmup_ratio * steps),
        weight_decay=parameters.weight_decay,
        eval_strategy="steps" if judge else "no",
        eval_steps=parameters.eval_steps,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        seed=_SEED,
        bf16=computes_in_bf16(),
        use_cpu=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        disable_tqdm=True,
    )


def _teller(steps: int) -> Any:
    """What writes the losses into the log."""
    from transformers import TrainerCallback  # noqa: PLC0415

    class Teller(TrainerCallback):  # type: ignore[misc]
        """A line a step."""

        def on_log(self, arguments: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            """Say the losses."""
            del arguments, control
            where = f"step {state.global_step} of {steps}, epoch {state.epoch:.2f}"
            if "loss" in logs:
                _say(f"{where}: loss {float(logs['loss']):.4f}, learning rate {float(logs['learning_rate']):.3g}")
            elif "eval_loss" in logs:
                _say(f"{where}: validation loss {float(logs['eval_loss']):.4f}")

    return Teller()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
