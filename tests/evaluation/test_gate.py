"""The verdict: what promotes, what refuses, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from searchloom.evaluation.gate import (
    Budget,
    Evidence,
    Guard,
    Rules,
    Values,
    decide,
    figure,
    guard,
    mean_of,
    query_deltas,
)

RULES = Rules()


def values(gain: float, *, queries: int = 200, noise: float = 0.1, seed: int = 1) -> tuple[Values, Values]:
    """Candidate and live."""
    generator = np.random.default_rng(seed)
    live = {f"q{n}": float(generator.uniform(0.2, 0.6)) for n in range(queries)}
    return {query: value + gain + float(generator.normal(0, noise)) for query, value in live.items()}, live


def judged(gain: float, *guards: Guard, unchanged: bool = False, **options: Any) -> tuple[str, list[str], int | None]:
    candidate, live = values(gain, **options)
    combined, comparison = figure("all queries", "both engines", {"judged": candidate}, {"judged": live})
    budgets = [Budget(name="embedding a query", live=10, candidate=12, limit=200, unit="ms")]
    evidence = Evidence(combined=combined, guards=list(guards), budgets=budgets, unchanged=unchanged)
    return decide(evidence, comparison, RULES)


def guarded(gain: float, *, tolerance: float = 0.0, **options: Any) -> Guard:
    candidate, live = values(gain, **{"seed": 2} | options)
    return guard(figure("paraphrases", "model alone", {"": candidate}, {"": live}), RULES, tolerance=tolerance)


def test_a_clear_gain_that_costs_nobody_anything_is_better() -> None:
    verdict, reasons, needed = judged(0.05, guarded(0.01))
    assert (verdict, needed) == ("better", None)
    assert reasons[0].startswith("nDCG@10 rises by 0.04")


def test_a_loss_is_worse() -> None:
    verdict, reasons, _ = judged(-0.05)
    assert verdict == "worse"
    assert "falls by 0.05" in reasons[0]


def test_a_lost_guard_refuses_any_gain() -> None:
    verdict, reasons, _ = judged(0.1, guarded(-0.05))
    assert verdict == "worse"
    assert reasons[0].startswith("Paraphrases (model alone, 200 queries): nDCG@10 falls by 0.05")


def test_a_guard_below_the_margin_stops_a_promotion_even_if_chance_may_have_done_it() -> None:
    one = guarded(-0.03, queries=30, noise=0.1, seed=1)
    assert one.state == "unclear"
    verdict, reasons, needed = judged(0.1, one)
    assert (verdict, needed) == ("not enough evidence", None)
    assert "no promotion on that" in reasons[0]


def test_what_may_be_lost_elsewhere_is_tolerated() -> None:
    assert guarded(-0.015, tolerance=0.02, noise=0.01).state == "kept"
    assert guarded(-0.05, tolerance=0.02, noise=0.01).state == "lost"


def test_chance_is_not_enough_evidence_and_the_number_of_queries_is_named() -> None:
    verdict, reasons, needed = judged(0.01, queries=40, noise=0.3)
    assert verdict == "not enough evidence"
    assert needed is not None
    assert needed > 40
    assert f"about {needed} judged queries" in reasons[-1]


def test_where_a_gain_would_have_shown_the_reason_says_so() -> None:
    verdict, reasons, needed = judged(0.0, queries=400, noise=0.01)
    assert verdict == "not enough evidence"
    assert needed is not None
    assert needed < 400
    assert reasons[-1] == (
        f"A gain of {RULES.min_gain:.4f} would have shown: {needed} judged queries are enough for that; there are 400."
    )


def test_the_live_release_itself_is_never_better_whatever_the_numbers_say() -> None:
    verdict, reasons, needed = judged(0.2, unchanged=True)
    assert (verdict, needed) == ("not enough evidence", None)
    assert "nothing to promote" in reasons[0]


def test_a_real_gain_that_is_too_small_to_matter_is_not_released() -> None:
    verdict, reasons, _ = judged(0.002, noise=0.0001)
    assert verdict == "not enough evidence"
    assert "below the 0.005" in reasons[0]


def test_a_budget_is_a_limit_unless_the_machine_slows_both_sides() -> None:
    candidate, live = values(0.1)
    combined, comparison = figure("all queries", "both engines", {"": candidate}, {"": live})
    slow = Budget(name="embedding a query", live=10, candidate=900, limit=200, unit="ms")
    evidence = Evidence(combined=combined, guards=[], budgets=[slow], unchanged=False)
    verdict, reasons, _ = decide(evidence, comparison, RULES)
    assert verdict == "worse"
    assert reasons == ["Embedding a query takes 900 ms; the limit is 200."]
    assert slow.model_copy(update={"live": 800}).kept


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-10])
def test_the_same_answers_up_to_rounding_are_not_enough_evidence(noise: float) -> None:
    for seed in range(10):
        assert judged(0.0, guarded(0.0, noise=0.0), noise=noise, seed=seed)[0] == "not enough evidence"


def test_a_system_that_only_differs_by_chance_is_hardly_ever_better() -> None:
    verdicts = [judged(0.0, noise=0.2, queries=80, seed=seed)[0] for seed in range(100)]
    assert verdicts.count("better") <= 6


def test_a_system_made_worse_is_never_better() -> None:
    verdicts = [judged(-0.03, noise=0.2, queries=80, seed=seed)[0] for seed in range(50)]
    assert "better" not in verdicts


def test_what_each_query_lost_or_won_is_listed_worst_first_and_bounded() -> None:
    candidate, live = values(0.0, queries=100)
    lost, won = query_deltas({"judged": candidate}, {"judged": live}, {"judged": {query: query for query in live}})
    assert (len(lost), len(won)) == (20, 20)
    assert [one.gain for one in lost] == sorted(one.gain for one in lost)
    assert lost[0].gain < 0 < won[0].gain
    assert query_deltas({"": live}, {"": live}, {"": dict.fromkeys(live, "")}) == ([], [])


def test_a_query_counts_once_however_many_engines_answered_it() -> None:
    assert mean_of({"opensearch": {"q": 0.2}, "elasticsearch": {"q": 0.6}}) == {"q": pytest.approx(0.4)}
