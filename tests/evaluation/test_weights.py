"""Weights follow the dev queries as far as these can tell, and stay where they are otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from searchloom.engines.interface import Hit
from searchloom.evaluation.shadow import Found, Rerank
from searchloom.evaluation.weights import learn_fusion, learn_rerank
from searchloom.release.document import Fusion
from searchloom.settings import EngineName

DOCUMENTS = 30
QRELS_GRADE = 1

Qrels = dict[str, dict[str, int]]
Answers = dict[EngineName, dict[str, Found]]


def collection(
    queries: int, *, words: float, meaning: float, query: str = "q {}", seed: int = 1
) -> tuple[Answers, Qrels]:
    """Two engines whose scores are noise, but for the one right document: ``words`` and ``meaning`` say how much."""
    generator = np.random.default_rng(seed)
    found: dict[str, Found] = {}
    qrels: Qrels = {}
    for number in range(queries):
        right = f"d{generator.integers(DOCUMENTS)}"
        lists = []
        for signal in (words, meaning):
            scores = {f"d{n}": float(generator.normal(signal if f"d{n}" == right else 0)) for n in range(DOCUMENTS)}
            ranked = sorted(scores.items(), key=lambda item: -item[1])
            lists.append([Hit(f"{d}-0", d, s, {"title": "", "section": "", "text": d}) for d, s in ranked])
        text = query.format(number)
        found[text], qrels[text] = Found(text, *lists), {right: QRELS_GRADE}
    return {"opensearch": found, "elasticsearch": found}, qrels


def test_the_better_retriever_gets_the_larger_share() -> None:
    weights = {}
    for words, meaning in ((3, 0.5), (0.5, 3)):
        learned = learn_fusion(*collection(120, words=words, meaning=meaning), Fusion())
        weights[words] = learned.fusion.vector_weight
        assert learned.gain.low > 0
        assert len(learned.gain.curve) == 21
    assert weights[3] < 0.4
    assert weights[0.5] > 0.6


@pytest.mark.parametrize("queries", [0, 1, 4])
def test_few_queries_leave_the_weight_in_force(queries: int) -> None:
    start = Fusion(vector_weight=0.37)
    learned = learn_fusion(*collection(queries, words=2, meaning=2.2), start)
    assert learned.fusion.vector_weight == pytest.approx(0.37)
    assert learned.gain.mean == 0


def test_equal_retrievers_leave_the_weight_in_force() -> None:
    assert learn_fusion(*collection(200, words=2, meaning=2), Fusion()).fusion == Fusion()


def test_rrf_has_no_weight_to_learn() -> None:
    start = Fusion(method="rrf")
    assert learn_fusion(*collection(60, words=3, meaning=0), start).fusion == start


def test_a_language_gets_a_weight_of_its_own_only_where_that_wins() -> None:
    english, right = collection(100, words=0.5, meaning=3)
    chinese, zh_right = collection(100, words=3, meaning=0.2, query="问 {}")
    both: Answers = {name: english[name] | chinese[name] for name in english}
    learned = learn_fusion(both, right | zh_right, Fusion())
    assert learned.fusion.weight("zh") < 0.4
    assert learned.fusion.weight("en") > 0.6
    alike, alike_right = collection(100, words=0.5, meaning=3, query="问 {}")
    both = {name: english[name] | alike[name] for name in english}
    assert learn_fusion(both, right | alike_right, Fusion()).fusion.vector_weight_by_language == {}


def test_a_language_the_model_was_not_trained_on_starts_from_its_own_weight() -> None:
    start = Fusion(trained_languages=("en",))
    answers, qrels = collection(100, words=3, meaning=0.1, query="问 {}")
    learned = learn_fusion(answers, qrels, start).fusion
    assert learned.vector_weight == start.vector_weight
    assert learned.weight("zh") <= start.vector_weight_untrained
    answers, qrels = collection(100, words=0.3, meaning=3, query="问 {}")
    assert learn_fusion(answers, qrels, start).fusion.weight("zh") > 0.4


def test_a_reranker_that_knows_gets_a_share_and_one_that_guesses_gets_none() -> None:
    answers, qrels = collection(80, words=1.5, meaning=1.5)
    generator = np.random.default_rng(4)
    asked = []

    def knows(query: str, passages: Sequence[str]) -> list[float]:
        asked.extend((query, one) for one in passages)
        return [float(generator.normal(3 if one in qrels[query] else 0)) for one in passages]

    def guesses(_query: str, passages: Sequence[str]) -> list[float]:
        return generator.normal(size=len(passages)).tolist()

    helped = learn_rerank(answers, qrels, Fusion(), Rerank(knows, 0, 0))
    assert helped.weight > 0
    assert helped.gain.low > 0
    assert len(asked) == len(set(asked)), "a pair is scored once, for both engines, all weights and depths"
    guessed = [learn_rerank(answers, qrels, Fusion(), Rerank(guesses, 0, 0)).weight for _ in range(3)]
    assert guessed == [0, 0, 0]
    assert learn_rerank({}, {}, Fusion(), Rerank(knows, 0, 0)).weight == 0


def test_many_queries_made_from_documents_do_not_outvote_those_that_somebody_asked() -> None:
    made, made_right = collection(100, words=1.5, meaning=1.5, query="made {}")
    asked, asked_right = collection(25, words=1.5, meaning=1.5, query="asked {}", seed=2)
    both: Answers = {name: made[name] | asked[name] for name in made}
    qrels = made_right | asked_right

    def knows_what_was_made(query: str, passages: Sequence[str]) -> list[float]:
        return [float((one in qrels[query]) == query.startswith("made")) for one in passages]

    sources = {query: "synthetic" if query.startswith("made") else "human" for query in qrels}
    alike = learn_rerank(both, qrels, Fusion(), Rerank(knows_what_was_made, 0, 0))
    told = learn_rerank(both, qrels, Fusion(), Rerank(knows_what_was_made, 0, 0), sources=sources)
    assert alike.gain.mean > told.gain.mean
    assert told.weight < alike.weight


@pytest.mark.parametrize(("queries", "words", "meaning", "seed"), [(40, 3.5, 4.5, 25), (80, 3, 5, 10), (80, 3, 5, 24)])
def test_what_is_learned_is_never_worse_on_dev_than_what_was_in_force(
    queries: int, words: float, meaning: float, seed: int
) -> None:
    """A weight that does well on some queries and badly on others is not nearer for its large error."""
    learned = learn_fusion(*collection(queries, words=words, meaning=meaning, seed=seed), Fusion(vector_weight=0.3))
    assert learned.fusion.vector_weight > 0.3
    assert learned.gain.mean > 0
