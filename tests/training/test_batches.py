from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchloom.training import batches
from searchloom.training.batches import CORPUS, Order, Pairs
from searchloom.training.training_set import read_folder
from tests.training.models import tiny_set


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """80 judged and 80 corpus pairs."""
    folder: Path = tmp_path_factory.mktemp("batches") / "set"
    tiny_set(folder)
    return Pairs(read_folder(folder))


@given(epochs=st.integers(1, 4), size=st.integers(2, 50), ratio=st.sampled_from([0.0, 0.5, 3.0]))
def test_every_judged_pair_is_seen_once_an_epoch_and_corpus_pairs_in_the_first(
    pairs: Pairs, epochs: int, size: int, ratio: float
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "FEWEST_CORPUS", 10)
        order = Order(pairs, batch_size=size, epochs=epochs, corpus_ratio=ratio, seed=4)
    seen = [pair for step in range(order.steps) for pair in order.batch(step)]
    judged = [pair for pair in pairs.all if pair.source != CORPUS]
    counts = Counter(pair.chunk_id for pair in seen if pair.source != CORPUS)
    assert counts == Counter({pair.chunk_id: epochs for pair in judged})
    adapting = [place for place, pair in enumerate(seen) if pair.source == CORPUS]
    assert len(adapting) == (min(80, max(10, round(ratio * len(judged)))) if ratio else 0)
    assert all(place < len(judged) + len(adapting) for place in adapting)


def test_a_resumed_training_sees_what_it_would_have_seen(pairs: Pairs) -> None:
    told = {"batch_size": 7, "epochs": 2.5, "corpus_ratio": 0.5, "seed": 4}
    whole, resumed = Order(pairs, **told), Order(pairs, **told)  # type: ignore[arg-type]
    before = [whole.batch(step) for step in range(whole.steps)]
    assert [resumed.batch(step) for step in reversed(range(whole.steps))] == before[::-1]
