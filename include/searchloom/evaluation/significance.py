"""Whether two systems differ on the same queries: paired, stratified, and with an answer for "nobody can tell yet".

Two tests have to agree: the bootstrap's interval says how large the difference may be, the sign-flip permutation how
often chance alone would make one of this size. Of few queries the second is the stricter one: fewer than six that
changed are never significant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Differences = Mapping[str, float]
"""query_id -> candidate minus live."""

Strata = Mapping[str, Differences]
"""stratum -> its queries' differences; no query is in two of them."""

ALPHA = 0.05
POWER = 0.8
RESAMPLES = 10_000
_BLOCK = 500  # resamples drawn at a time: bounds the memory
_NOTHING = 1e-9  # a difference below this is rounding


@dataclass(frozen=True, slots=True)
class Comparison:
    """The weighted mean difference, its interval at ``1 - alpha``, and how sure one may be.

    ``p``: of a difference at least this large, in either direction, when there is none. ``deviation``: standard
    deviation that one query contributes, so ``deviation / sqrt(queries)`` is the standard error of the mean.
    """

    mean: float
    low: float
    high: float
    p: float
    queries: int
    changed: int  # queries whose value differs at all
    deviation: float
    alpha: float = ALPHA

    @property
    def gained(self) -> bool:
        """Whether the difference is significantly above 0."""
        return self.low > 0 and self.p < self.alpha

    @property
    def lost(self) -> bool:
        """Whether the difference is significantly below 0."""
        return self.lost_more_than(0.0)

    def lost_more_than(self, tolerance: float) -> bool:
        """Whether the difference is significantly below ``-tolerance``."""
        return self.high < -tolerance and self.p < self.alpha

    def queries_for(self, effect: float) -> int | None:
        """How many queries of this kind show a true difference of ``effect`` with power .8; None: no query varies."""
        if not self.deviation or not effect:
            return None
        normal = NormalDist()
        reach = normal.inv_cdf(1 - self.alpha / 2) + normal.inv_cdf(POWER)
        return math.ceil((reach * self.deviation / effect) ** 2)


def compare(strata: Strata, *, alpha: float = ALPHA, seed: int = 20, resamples: int = RESAMPLES) -> Comparison:
    """Compare over the mean of the strata's means, each weighted by the square root of its number of queries.

    So every stratum brings as much noise into the mean as any other: a large synthetic one does not drown a small
    human one, and a handful of queries does not drown everything. Nothing to compare is a difference of 0 with p 1.

    Sources: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 15; Smucker, Allan and
    Carterette, A comparison of statistical significance tests for information retrieval evaluation (CIKM 2007).
    """
    parts = [_cleaned(differences) for differences in strata.values() if differences]
    if not parts:
        return Comparison(0.0, 0.0, 0.0, 1.0, 0, 0, 0.0, alpha)
    shares = np.sqrt([len(part) for part in parts])
    shares /= shares.sum()
    mean = float(sum(share * part.mean() for share, part in zip(shares, parts, strict=True)))
    queries, changed = sum(map(len, parts)), sum(int(np.count_nonzero(part)) for part in parts)
    # a query's factor in the weighted mean
    factors = np.concatenate([np.full(len(part), share / len(part)) for share, part in zip(shares, parts, strict=True)])
    everything = np.concatenate(parts)
    generator = np.random.default_rng(seed)
    low, high = _interval(parts, shares, generator, alpha, resamples)
    variance = sum(
        share**2 * part.var(ddof=1) / len(part) for share, part in zip(shares, parts, strict=True) if len(part) > 1
    )
    return Comparison(
        mean=mean,
        low=low,
        high=high,
        p=_sign_flip(everything * factors, mean, generator, resamples),
        queries=queries,
        changed=changed,
        deviation=math.sqrt(variance * queries),
        alpha=alpha,
    )


def differences(candidate: Mapping[str, float], live: Mapping[str, float]) -> dict[str, float]:
    """Per query, over the queries of both."""
    return {query: candidate[query] - live[query] for query in sorted(candidate.keys() & live.keys())}


def _cleaned(differences: Differences) -> NDArray[np.float64]:
    values = np.array([differences[query] for query in sorted(differences)], dtype=np.float64)
    values[np.abs(values) < _NOTHING] = 0.0
    return values


def _interval(
    parts: list[NDArray[np.float64]],
    shares: NDArray[np.float64],
    generator: np.random.Generator,
    alpha: float,
    resamples: int,
) -> tuple[float, float]:
    """Percentile interval: each stratum's queries are drawn anew from that stratum alone."""
    means = np.concatenate(
        [
            sum(
                share * part[generator.integers(0, len(part), (size, len(part)))].mean(axis=1)
                for share, part in zip(shares, parts, strict=True)
            )
            for size in _blocks(resamples)
        ]
    )
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _sign_flip(terms: NDArray[np.float64], mean: float, generator: np.random.Generator, resamples: int) -> float:
    """If the two systems were the same, each query's difference could as well have had the other sign."""
    terms = terms[terms != 0]
    if not len(terms):
        return 1.0
    as_large = 0
    for size in _blocks(resamples):
        signs = generator.integers(0, 2, (size, len(terms)), dtype=np.int8) * 2.0 - 1.0
        as_large += int(np.count_nonzero(np.abs(signs @ terms) >= abs(mean) - _NOTHING))
    return (1 + as_large) / (1 + resamples)


def _blocks(resamples: int) -> Iterator[int]:
    for low, high in pairwise([*range(0, resamples, _BLOCK), resamples]):
        yield high - low
