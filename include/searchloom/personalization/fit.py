"""Learning a ``Model`` from a log: each table by its closed form or by a well-kept library, in bounded memory.

EASE: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019. Its matrix is as large as the square of
the items, so only the ``Limits.ease_items`` most popular ones take part; the others live by their neighbours, factors
and texts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from threadpoolctl import threadpool_limits

from searchloom.personalization.catalog import Catalog
from searchloom.personalization.events import EXPOSE, Event, Log
from searchloom.personalization.model import Model
from searchloom.personalization.sparse import Ints, Rows, strongest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes; what they bound grows at least linearly with them."""

    ease_items: int = 6000
    ease_regularisation: float = 200.0
    neighbours: int = 400  # entries kept of each item's row
    factors: int = 64
    factor_rounds: int = 15
    factor_confidence: float = 10.0
    factor_regularisation: float = 5.0
    followed_steps: int = 10
    bucket_cells: int = 20_000_000
    seed: int = 7
    threads: int = 2


DEFAULT_LIMITS = Limits()


def fit(events: Log, catalog: Catalog, exposures: Iterable[Event] = (), *, limits: Limits = DEFAULT_LIMITS) -> Model:
    """Learn everything from a log; ``catalog`` has an item for each of ``events.items``, in that order."""
    size = len(events.items)
    yes = events.interest > 0
    liked_at = matrix(events, events.liked)
    all_at = matrix(events, yes)
    popular = np.argsort(-np.bincount(events.item[yes], minlength=size), kind="stable")[: limits.ease_items]
    liked_ease = ease_rows(liked_at, popular, limits)
    weak = bool((yes & ~events.liked).any())
    factors = als_factors(liked_at, limits)
    categories, kind_names, kinds = catalog.tables()
    numbers = {name: number for number, name in enumerate(categories)}
    ends, buckets = popularity_buckets(events.only(yes), limits)
    shown, rate = click_rates(events, exposures)
    gram = factors.T.astype(np.float64) @ factors + limits.factor_regularisation * np.eye(factors.shape[1])
    return Model(
        ids=list(events.items),
        categories=categories,
        kind_names=kind_names,
        category=np.array([numbers.get(item.category, -1) for item in catalog.items], np.int32),
        year=np.array([item.year or np.nan for item in catalog.items], np.float32),
        first=_first(events, catalog),
        vectors=catalog.vectors.astype(np.float32),
        liked_ease=liked_ease,
        all_ease=ease_rows(all_at, popular, limits) if weak else liked_ease,
        neighbours=cosine_rows(liked_at, popular, limits),
        followed=followed_rows(events, limits),
        kinds=kinds,
        factors=factors,
        factor_gram=gram,
        factor_confidence=limits.factor_confidence,
        total=np.bincount(events.item[events.liked], minlength=size).astype(np.float32),
        approval=_approval(events),
        exposed=shown,
        click_rate=rate,
        bucket_ends=ends,
        buckets=buckets,
    )


def matrix(events: Log, keep: NDArray[np.bool_]) -> sp.csr_matrix:
    """Who dealt with what: 1 where ``keep`` marks an event of a person with an item."""
    shape = (len(events.users), len(events.items))
    found = sp.csr_matrix((np.ones(int(keep.sum())), (events.user[keep], events.item[keep])), shape)
    found.data[:] = 1.0
    return found


def ease(dealt: sp.csr_matrix, regularisation: float) -> NDArray[np.float64]:
    """The item-to-item weights of EASE, dense; the diagonal is 0."""
    gram = (dealt.T @ dealt).toarray()
    diagonal = np.diag_indices(gram.shape[0])
    gram[diagonal] += regularisation
    # Symmetric and positive definite: by Cholesky in a third of the time, into the memory of the Gram matrix.
    lower, _ = dpotrf(gram, lower=True, overwrite_a=True)
    inverse, _ = dpotri(lower, lower=True, overwrite_c=True)
    inverse = np.tril(inverse)
    inverse = inverse + np.tril(inverse, -1).T
    inverse /= -np.diag(inverse).copy()
    inverse[diagonal] = 0.0
    return np.asarray(inverse)


def ease_rows(dealt: sp.csr_matrix, popular: Ints, limits: Limits) -> Rows:
    """EASE over the popular items, its strongest weights."""
    with threadpool_limits(limits.threads):
        weights = ease(dealt[:, popular], limits.ease_regularisation)
    return strongest(weights, limits.neighbours, popular, dealt.shape[1])


def cosine_rows(dealt: sp.csr_matrix, popular: Ints, limits: Limits) -> Rows:
    """Items that the same people liked: cosine, damped where few people speak for it."""
    chosen = dealt[:, popular]
    together = (chosen.T @ chosen).toarray()
    alone = np.diag(together).copy()
    damping = together / (together + 5.0)
    together = together * damping / np.sqrt(np.outer(np.maximum(alone, 1), np.maximum(alone, 1)))
    np.fill_diagonal(together, 0.0)
    return strongest(together, limits.neighbours, popular, dealt.shape[1])


def followed_rows(events: Log, limits: Limits) -> Rows:
    """What people did next, and soon after: the share of an item's followers, near ones counting more."""
    size = len(events.items)
    table = sp.csr_matrix((size, size))
    for step in range(1, limits.followed_steps + 1):
        same = np.flatnonzero(events.user[step:] == events.user[:-step])
        counts = np.full(len(same), 1.0 / step)
        table = table + sp.csr_matrix((counts, (events.item[same], events.item[same + step])), (size, size))
    table.setdiag(0)
    table.eliminate_zeros()
    table = sp.csr_matrix(sp.diags(1.0 / (np.asarray(table.sum(axis=1)).ravel() + 20.0)) @ table)
    return pruned(table, limits.neighbours)


def pruned(table: sp.csr_matrix, keep: int) -> Rows:
    """The ``keep`` largest entries of each row of a sparse matrix."""
    counts = np.diff(table.indptr)
    row = np.repeat(np.arange(table.shape[0]), counts)
    order = np.lexsort((-table.data, row))
    rank = np.arange(len(order)) - np.repeat(table.indptr[:-1], counts)
    kept = np.sort(order[rank < keep])
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=table.shape[0]))]).astype(np.int64)
    return Rows(starts, table.indices[kept].astype(np.int32), table.data[kept].astype(np.float32))


def als_factors(dealt: sp.csr_matrix, limits: Limits) -> NDArray[np.float32]:
    """The items' factors of implicit ALS; zeros where nobody liked anything."""
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415  its import takes a second

    width = min(limits.factors, max(1, min(dealt.shape) - 1))
    if not dealt.nnz:
        return np.zeros((dealt.shape[1], width), np.float32)
    model = AlternatingLeastSquares(
        factors=width,
        regularization=limits.factor_regularisation,
        iterations=limits.factor_rounds,
        random_state=limits.seed,
        num_threads=limits.threads,
    )
    with threadpool_limits(1, "blas"):  # implicit has threads of its own
        model.fit((dealt * limits.factor_confidence).astype(np.float32), show_progress=False)
    return np.asarray(model.item_factors, np.float32)


def popularity_buckets(events: Log, limits: Limits) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The ends of stretches of time with equally many events, and how often each item was dealt with in each."""
    size = len(events.items)
    count = int(np.clip(limits.bucket_cells // max(size, 1), 4, 128))
    if not len(events):
        return np.zeros(1), np.zeros((size, 1), np.float32)
    ends = np.unique(np.quantile(events.time, np.arange(1, count + 1) / count))
    place = np.searchsorted(ends, events.time, side="left")
    cells = np.bincount(events.item.astype(np.int64) * len(ends) + place, minlength=size * len(ends))
    return ends, cells.reshape(size, len(ends)).astype(np.float32)


def click_rates(events: Log, exposures: Iterable[Event]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How often each item was shown, and its clicks over what its places on the page would have drawn anyway.

    The rate is 1 for an item that does as well as any other would have done at its places ("clicks over expected
    clicks"); it is drawn towards 1 where an item was hardly shown.
    """
    size = len(events.items)
    places = {item_id: number for number, item_id in enumerate(events.items)}
    at = [
        (places[event.item_id], min(max(event.position or 1, 1), 50))
        for event in exposures
        if event.type in EXPOSE and event.item_id in places
    ]
    if not at:
        return np.zeros(size, np.float32), np.ones(size, np.float32)
    item, position = (np.array(column) for column in zip(*at, strict=True))
    clicks = np.bincount(events.item[events.interest > 0], minlength=size)
    exposed = np.bincount(item, minlength=size)
    # An item's own rate is spread over its places: what remains by place is the place's share.
    rate = np.minimum(clicks / np.maximum(exposed, 1), 1.0)
    by_place = np.bincount(position, rate[item], 51) / np.maximum(np.bincount(position, minlength=51), 1)
    expected = np.bincount(item, by_place[position], size)
    return exposed.astype(np.float32), ((clicks + 5.0) / (expected + 5.0)).astype(np.float32)


def _approval(events: Log) -> NDArray[np.float32]:
    size = len(events.items)
    dealt = np.bincount(events.item, minlength=size)
    liked = np.bincount(events.item[events.liked], minlength=size)
    mean = float(events.liked.mean()) if len(events) else 0.0
    return ((liked + 10 * mean) / (dealt + 10)).astype(np.float32)


def _first(events: Log, catalog: Catalog) -> NDArray[np.float64]:
    """When each item came: its publication, or what was first done with it; NaN where neither is known."""
    first = np.full(len(events.items), np.inf)
    np.minimum.at(first, events.item, events.time)
    published = np.array([np.nan if item.published is None else item.published for item in catalog.items])
    return np.where(np.isnan(published), np.where(np.isinf(first), np.nan, first), published)
