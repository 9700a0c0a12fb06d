"""What the personal order in the query module is made of: nothing is lost, nothing rises twice, AIRec may be away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.engines.fusion import Ranked
from searchloom.engines.interface import Access, Hit
from searchloom.errors import ServiceUnavailable
from searchloom.personalization.features import FEATURES
from searchloom.personalization.fit import fit
from searchloom.personalization.order import FLOOR, PROTECTED
from searchloom.personalization.person import Person
from searchloom.personalization.ranker import Evidence, Ranker
from searchloom.personalization.serve import Personal
from searchloom.personalization.trees import Trees
from searchloom.query.airec_weights import AirecWeights
from searchloom.query.auth import Caller
from searchloom.query.personal_models import PersonalModels, Serving
from searchloom.query.personal_order import _ordered
from searchloom.query.recommend.airec import AirecSource
from searchloom.settings import Acs, Airec, Settings
from searchloom.settings import Personal as PersonalSettings
from tests.personalization.behaviour import small

CALLER = Caller("ann", Access("default"))


@pytest.fixture(scope="module")
def serving() -> Serving:
    """A forest of one split: what is of the person's category stands first."""
    log, catalog = small(persons=40)
    split: dict[str, Any] = {
        "split_feature": FEATURES.index("category_affinity"), "threshold": 0.5, "decision_type": "<=",
        "missing_type": "None", "default_left": True,
        "left_child": {"leaf_value": 0.0}, "right_child": {"leaf_value": 1.0},
    }  # fmt: skip
    trees = Trees.of({"max_feature_idx": len(FEATURES) - 1, "tree_info": [{"tree_structure": split}]})
    ranker = Ranker(trees, 1.0, Evidence())
    persons: Any = SimpleNamespace()
    return Serving("v", Personal(fit(log, catalog), ranker, ranker), persons, Path())


def ranked(number: int, score: float) -> Ranked:
    return Ranked(f"item-{number}", score, Hit(f"chunk-{number}", f"item-{number}", score, {}), score, None)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 130), st.floats(0, 1)), min_size=1, max_size=40, unique_by=lambda one: one[0]),
    st.lists(st.integers(0, 119), max_size=12),
)
def test_everything_that_was_found_is_there_once_and_nothing_irrelevant_is_on_top(
    serving: Serving, found: list[tuple[int, float]], liked: list[int]
) -> None:
    person = Person()
    for number in liked:
        person.remember(f"item-{number}", 1.7e9, 1.0, *serving.personal.model.about(f"item-{number}"))
    candidates = sorted((ranked(*one) for one in found), key=lambda one: -one.score)
    ordered = _ordered(serving, person, candidates, None)
    assert sorted(one.doc_id for one in ordered.ranked) == sorted(one.doc_id for one in candidates)
    scores = [one.score for one in ordered.ranked]
    assert scores == sorted(scores, reverse=True)
    relevance = {one.doc_id: one.score for one in candidates}
    low, high = min(relevance.values()), max(relevance.values())
    assert low - 1e-9 <= scores[-1]
    assert scores[0] <= high + 1e-9
    if high > low and len(candidates) > PROTECTED:
        share = {doc_id: (score - low) / (high - low) for doc_id, score in relevance.items()}
        sound = sum(one >= FLOOR for one in share.values())
        top = [share[one.doc_id] for one in ordered.ranked[: min(PROTECTED, sound)]]
        assert all(one >= FLOOR for one in top)


def test_what_a_person_likes_rises_and_it_is_said_why(serving: Serving) -> None:
    person = Person()
    for number in (*range(0, 20, 4), *range(40, 120, 4)):
        person.remember(f"item-{number}", 1.7e9, 1.0, *serving.personal.model.about(f"item-{number}"))
    candidates = [ranked(number, 1.0 - number / 1000) for number in range(20, 40)]
    ordered = _ordered(serving, person, candidates, {"item-20": 0.5, "elsewhere": 1.0})
    assert all(int(one.doc_id.removeprefix("item-")) % 4 == 0 for one in ordered.ranked[:5])
    assert ordered.scores["item-24"] > ordered.scores["item-25"]
    assert ordered.reasons["item-24"].partition(":")[0] in {"related", "alike"}
    assert ordered.airec == {"item-20": 0.5}
    assert serving.personal.searcher.uses("category_affinity")
    assert not serving.personal.searcher.uses("airec")


def gone() -> AirecWeights:
    """AIRec at an address where nobody answers."""
    acs = Acs(endpoint="http://127.0.0.1:9", access_key_id="x", access_key_secret="y", connect_timeout_s=1)
    return AirecWeights(AirecSource(Settings(acs=acs, airec=Airec(instance_id="airec-cn-local"))))


async def test_airec_that_is_away_or_not_set_gives_no_weights_and_no_error() -> None:
    unset = AirecWeights(AirecSource(Settings(airec=Airec())))
    assert not unset.is_set
    assert await unset.of(CALLER, "c", wait_s=5) is None
    away = gone()
    assert await away.of(CALLER, "c", wait_s=0) is None
    assert await away.of(CALLER, "c", wait_s=10) is None
    await away.close()
    await asyncio.sleep(0)


def test_without_a_pointer_nothing_serves_and_nothing_is_missing(tmp_path: Path) -> None:
    models = PersonalModels(PersonalSettings(), tmp_path, lambda: pytest.fail("nobody asked for it"))
    assert models.serving("c") is None
    models._trouble["c"] = "it is broken"
    with pytest.raises(ServiceUnavailable, match="broken"):
        models.serving("c")
    models.stop()
