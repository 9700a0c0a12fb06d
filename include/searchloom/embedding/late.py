"""Late interaction: every token of a query looks for the token of a passage that is most like it.

A bi-encoder whose tokens are kept apart instead of pooled; the score of a pair is the mean of what the query's tokens
find (Khattab and Zaharia, "ColBERT", SIGIR 2020). Nothing is added to the bi-encoder's weights, so it knows something
before it is trained; training and serving score by the same function. Importing this module loads torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers.util.similarity import mean_maxsim_pairwise

from searchloom.embedding.encoder import batches


def token_vectors(model: Any, features: Any) -> Any:
    """Return ``[texts, tokens, width]`` fp32: unit vectors of tokens, zeros for padding."""
    states = model(dict(features))["token_embeddings"].float()
    return torch.nn.functional.normalize(states, dim=2) * features["attention_mask"].unsqueeze(2)


def score(model: Any, pairs: Sequence[tuple[str, str]], *, max_tokens: int, budget: int) -> NDArray[np.float32]:
    """Return ``[pairs]`` scores of (query, passage) in [-1, 1]; each text is read once, however many pairs it is in.

    ``max_tokens`` of each text are read, ``budget`` tokens of passages at a time, padding included.
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
    passages = list(places)
    columns = _tokenised(model, passages, max_tokens)
    for batch in batches(columns["input_ids"], budget):
        read = token_vectors(
            model, _padded(model, {name: [column[one] for one in batch] for name, column in columns.items()})
        )
        wanted = [(row, place) for row, one in enumerate(batch) for place in places[passages[one]]]
        left, right = [rows[pairs[place][0]] for _, place in wanted], [row for row, _ in wanted]
        with torch.autocast(read.device.type, enabled=False):
            likeness = mean_maxsim_pairwise(asked[left], read[right])
        found[[place for _, place in wanted]] = likeness.cpu().numpy()
    return found


def _tokenised(model: Any, texts: Sequence[str], max_tokens: int) -> dict[str, list[list[int]]]:
    return dict(model.tokenizer(list(texts), truncation=True, max_length=max_tokens))


def _padded(model: Any, columns: dict[str, list[list[int]]]) -> Any:
    return model.tokenizer.pad(columns, return_tensors="pt").to(next(model.parameters()).device)
