"""Late interaction: every token of a query looks for the token of a passage that is most like it.

A bi-encoder whose tokens are kept apart instead of pooled; the score of a pair is the mean of what the query's tokens
find (Khattab and Zaharia, "ColBERT", SIGIR 2020). Nothing is added to the bi-encoder's weights, so it knows something
before it is trained; training and serving score by the same function. Importing this module loads torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from sentence_transformers.util.similarity import mean_maxsim_pairwise
from torch.nn.utils.rnn import pad_sequence

from searchloom.embedding.encoder import batches


def token_vectors(model: Any, features: Any) -> Any:
    """Return ``[texts, tokens, width]`` fp32: unit vectors of tokens, zeros for padding."""
    states = model(dict(features))["token_embeddings"].float()
    return torch.nn.functional.normalize(states, dim=2) * features["attention_mask"].unsqueeze(2)


class Memory:
    """Token vectors of passages that were read: what was used last stays, ``megabytes`` of it.

    A passage has the same vectors whatever is asked, and reading it is nearly all that a score costs. May be shared by
    threads; belongs to one model and one limit of tokens.
    """

    def __init__(self, megabytes: int) -> None:
        self._kept: LRUCache[str, Any] = LRUCache(megabytes * 1_000_000, getsizeof=lambda vectors: vectors.nbytes)
        self._lock = Lock()

    def known(self, passages: Iterable[str]) -> dict[str, Any]:
        """Return the vectors of those passages that are there, ``[tokens, width]`` fp16 each."""
        with self._lock:
            return {one: vectors for one in passages if (vectors := self._kept.get(one)) is not None}

    def keep(self, read: Mapping[str, Any]) -> None:
        """Keep what was read now; what was used longest ago goes."""
        with self._lock:
            self._kept.update(read)


def score(
    model: Any, pairs: Sequence[tuple[str, str]], *, max_tokens: int, budget: int, memory: Memory | None = None
) -> NDArray[np.float32]:
    """Return ``[pairs]`` scores of (query, passage) in [-1, 1]; each text is read once, however many pairs it is in.

    ``max_tokens`` of each text are read, ``budget`` tokens of passages at a time, padding included; a passage that
    ``memory`` knows is not read at all.
    """
    found = np.empty(len(pairs), dtype=np.float32)
    if not pairs:
        return found
    places: dict[str, list[int]] = defaultdict(list)  # passage -> its pairs
    rows: dict[str, int] = {}  # query -> row of its vectors
    for place, (query, passage) in enumerate(pairs):
        places[passage].append(place)
        rows.setdefault(query, len(rows))
    asked = token_vectors(model, _padded(model, _tokenised(model, list(rows), max_tokens)))
    vectors = memory.known(places) if memory else {}
    read = _read(model, [one for one in places if one not in vectors], max_tokens, budget)
    if memory:
        memory.keep(read)
    vectors |= read
    passages = list(places)
    for batch in batches([vectors[one] for one in passages], budget):
        together = pad_sequence([vectors[passages[one]] for one in batch], batch_first=True)
        wanted = [(row, place) for row, one in enumerate(batch) for place in places[passages[one]]]
        left, right = [rows[pairs[place][0]] for _, place in wanted], [row for row, _ in wanted]
        with torch.autocast(asked.device.type, enabled=False):
            likeness = mean_maxsim_pairwise(asked[left], together[right].to(asked.device, torch.float32))
        found[[place for _, place in wanted]] = likeness.cpu().numpy()
    return found


def _read(model: Any, passages: Sequence[str], max_tokens: int, budget: int) -> dict[str, Any]:
    """Return ``[tokens, width]`` fp16 of each passage, in the host's memory."""
    if not passages:
        return {}
    columns = _tokenised(model, passages, max_tokens)
    found: dict[str, Any] = {}
    for batch in batches(columns["input_ids"], budget):
        part = {name: [column[one] for one in batch] for name, column in columns.items()}
        read = token_vectors(model, _padded(model, part)).half().cpu()
        found |= {passages[one]: read[row, : len(columns["input_ids"][one])].clone() for row, one in enumerate(batch)}
    return found


def _tokenised(model: Any, texts: Sequence[str], max_tokens: int) -> dict[str, list[list[int]]]:
    return dict(model.tokenizer(list(texts), truncation=True, max_length=max_tokens))


def _padded(model: Any, columns: dict[str, list[list[int]]]) -> Any:
    return model.tokenizer.pad(columns, return_tensors="pt").to(next(model.parameters()).device)
