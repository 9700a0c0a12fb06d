"""Which queries and documents lie on which side; everything is decided by hashes, nothing by an order of arrival.

Two queries are near-duplicates when the sets of their character trigrams overlap by ``NEAR`` (Jaccard); they never lie
on two sides. Found exactly, by prefix filtering (Bayardo et al., "Scaling up all pairs similarity search", WWW 2007).
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

NEAR = 0.8
DEV_SHARE, DEV_MOST = 0.2, 200
HELDOUT_SHARE, HELDOUT_MOST = 0.1, 300

_NO_WORD = re.compile(r"[\W_]+")


def draw(seed: int, purpose: str, name: str) -> int:
    """Return a number in [0, 2**64): the lot of ``name``; other purposes and seeds draw other lots."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode()).digest()[:8])


def plain(text: str) -> str:
    """Return the text as queries are compared: compatible characters, lower case, words with one space between."""
    return _NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def groups(queries: Mapping[str, str]) -> list[list[str]]:
    """Group query ids so that near-duplicates are together (also those that only a third one connects)."""
    ids = list(queries)
    parent = list(range(len(ids)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    texts = [queries[one] for one in ids]
    for left, right in _alike(texts, texts):
        parent[root(left)] = root(right)
    found: dict[int, list[str]] = defaultdict(list)
    for node, one in enumerate(ids):
        found[root(node)].append(one)
    return list(found.values())


def near(texts: Sequence[str], others: Sequence[str]) -> set[int]:
    """Return the indices of the texts that are near-duplicates of one of the others."""
    return {left for left, _ in _alike(texts, others)}


def carve(queries: Mapping[str, str], *, seed: int) -> set[str]:
    """Choose the query ids that become the dev split: a fifth, at most 200, whole groups of near-duplicates."""
    most = min(DEV_MOST, round(len(queries) * DEV_SHARE))
    order = sorted((min(draw(seed, "dev", one) for one in group), group) for group in groups(queries))
    chosen: set[str] = set()
    for _, group in order:
        if len(chosen) + len(group) <= most:
            chosen.update(group)
    return chosen


def newest(first_seen: Mapping[str, float]) -> set[str]:
    """Choose a dev split by time: the fifth of the queries (at most 200) that was first seen last."""
    order = sorted(first_seen, key=lambda one: (-first_seen[one], one))
    return set(order[: min(DEV_MOST, len(order) // 5)])


def heldout(candidates: Iterable[str], *, documents: int, judged: set[str], seed: int) -> list[str]:
    """Choose the documents that no pair may touch: a tenth of all, at most 300; judged ones where others run out."""
    most = min(HELDOUT_MOST, round(documents * HELDOUT_SHARE))
    return sorted(candidates, key=lambda one: (one in judged, draw(seed, "heldout", one)))[:most]


def _alike(texts: Sequence[str], others: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (index in texts, index in others) of near-duplicates; a text is not compared with itself."""
    same = texts is others
    left = [_shingles(text) for text in texts]
    right = left if same else [_shingles(text) for text in others]
    counts = Counter(shingle for side in ([left] if same else [left, right]) for found in side for shingle in found)
    rare_first = [sorted(found, key=lambda shingle: (counts[shingle], shingle)) for found in right]
    holders: dict[str, list[int]] = defaultdict(list)
    for index, shingles in enumerate(rare_first):
        for shingle in shingles[: _prefix(len(shingles))]:
            holders[shingle].append(index)
    for index, found in enumerate(left):
        ordered = rare_first[index] if same else sorted(found, key=lambda shingle: (counts[shingle], shingle))
        seen: set[int] = set()
        for shingle in ordered[: _prefix(len(ordered))]:
            for other in holders.get(shingle, ()):
                if other in seen or (same and other <= index):
                    continue
                seen.add(other)
                shared = len(found & right[other])
                if shared >= NEAR * (len(found) + len(right[other]) - shared):
                    yield index, other


def _prefix(size: int) -> int:
    """How many of a set's rarest members decide: sets as alike as ``NEAR`` share one of them."""
    return size - math.ceil(NEAR * size - 1e-9) + 1


def _shingles(text: str) -> frozenset[str]:
    words = f" {plain(text)} "
    return frozenset(words[start : start + 3] for start in range(len(words) - 2)) or frozenset([words])
