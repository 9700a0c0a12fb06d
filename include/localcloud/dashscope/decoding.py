"""An answer in the making: token by token, so that several answers can take turns and any can be given up.

Only the language model's process may import this: it needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import DynamicCache, LogitsProcessorList
from transformers.generation import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from localcloud.dashscope.spoken import Spoken

# Tokens of a prompt that are read in one turn.
_READ_AT_ONCE = 256


class TooLong(Exception):
    """The prompt leaves no room for an answer; ``limit`` is how many tokens it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class Decoding:
    """One answer of a model to a conversation; ``asked`` is the question as the local cloud sent it."""

    def __init__(self, model: Any, tokenizer: Any, asked: Mapping[str, Any]) -> None:
        self.adapter: str | None = asked["adapter"]
        self._model, self._tokenizer = model, tokenizer
        room: int = model.config.max_position_embeddings
        prompt = tokenizer.apply_chat_template(asked["messages"], add_generation_prompt=True, return_dict=False)
        if len(prompt) >= room:
            raise TooLong(room - 1)
        self.read_tokens = len(prompt)
        self._tokens: list[int] = list(prompt)
        self._cached = 0
        self._cache = DynamicCache(config=model.config)
        self._most = min(asked["max_tokens"], room - len(prompt))
        self._spoken = Spoken(asked["stop"])
        self._greedy = asked["temperature"] == 0
        self._processors = _processors(asked)
        self._chance = torch.Generator().manual_seed(asked["seed"])

    @property
    def written_tokens(self) -> int:
        """Tokens of the answer so far, with the one that ends it."""
        return len(self._tokens) - self.read_tokens

    def turn(self) -> tuple[str, str]:
        """Go on by a token, or by a part of the prompt: the text that can be said now, and why the answer ended."""
        reading = self._tokens[self._cached : self._cached + _READ_AT_ONCE]
        with torch.inference_mode():
            out = self._model(
                input_ids=torch.tensor([reading]), past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
            self._cached += len(reading)
            if self._cached < len(self._tokens):
                return "", ""
            token = self._chosen(out.logits[:, -1].float())
        self._tokens.append(token)
        ended = token == self._tokenizer.eos_token_id
        full = self.written_tokens >= self._most
        answer = self._tokens[self.read_tokens :]
        text = self._tokenizer.decode(answer, skip_special_tokens=True)
        piece, stopped = self._spoken.hear(text, last=ended or full)
        return piece, "stop" if ended or stopped else "length" if full else ""

    def _chosen(self, scores: Any) -> int:
        scores = self._processors(torch.tensor([self._tokens]), scores)
        if self._greedy:
            return int(scores.argmax())
        return int(torch.multinomial(scores.softmax(-1)[0], 1, generator=self._chance))


def _processors(asked: Mapping[str, Any]) -> LogitsProcessorList:
    chosen: list[Any] = []
    if asked["repetition_penalty"] != 1:
        chosen.append(RepetitionPenaltyLogitsProcessor(float(asked["repetition_penalty"])))
    if asked["temperature"] > 0:
        chosen.append(TemperatureLogitsWarper(float(asked["temperature"])))
        if asked["top_k"] > 0:
            chosen.append(TopKLogitsWarper(asked["top_k"]))
        if asked["top_p"] < 1:
            chosen.append(TopPLogitsWarper(float(asked["top_p"])))
    return LogitsProcessorList(chosen)
