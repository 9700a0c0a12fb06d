"""A boosted forest, read with numpy alone: importing LightGBM takes seconds and drags in pandas.

A test holds these scores against LightGBM's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from searchloom.errors import Terminal


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees in one row: the next is ``children[node, seen <= threshold]``, a leaf leads to itself.

    A comparison with NaN is false, which is right where NaN has to go right. Where it has to go left, the comparison is
    turned round: ``feature`` then points at the negated copy of the features, or, where a feature was never unknown in
    training, at a copy whose NaN are 0.
    """

    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    children: NDArray[np.int64]  # flat: the place of a node's pair is twice its own
    value: NDArray[np.float64]
    depth: int

    @classmethod
    def of(cls, dump: Mapping[str, Any]) -> Self:
        """Read what ``Booster.dump_model`` says. Categorical splits are not understood: none is trained."""
        width = int(dump["max_feature_idx"]) + 1 if dump["tree_info"] else 0
        nodes: list[_Node] = []
        roots, depth = [], 0
        for tree in dump["tree_info"]:
            roots.append(len(nodes))
            depth = max(depth, _grow(tree["tree_structure"], nodes, width))
        return cls(
            np.array(roots, np.int64),
            np.array([node.feature for node in nodes], np.int64),
            np.array([node.threshold for node in nodes], np.float64),
            np.array([child for node in nodes for child in (node.no, node.yes)], np.int64),
            np.array([node.value for node in nodes], np.float64),
            depth,
        )

    def scores(self, lines: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum over all trees for each line of features."""
        wide = lines.astype(np.float64)
        copies = np.concatenate([wide, -wide, np.nan_to_num(wide)], axis=1)
        start = (np.arange(len(lines)) * copies.shape[1])[:, None]
        seen = copies.ravel()
        at = np.repeat(self.roots[None, :], len(lines), axis=0)
        for _ in range(self.depth):
            yes = seen.take(self.feature.take(at) + start) <= self.threshold.take(at)
            at = self.children.take(2 * at + yes)
        return np.asarray(self.value.take(at).sum(axis=1))

    def uses(self, feature: int, width: int) -> bool:
        """Whether any node asks for the feature at this place, of ``width`` features."""
        leaf = self.children[::2] == np.arange(len(self.feature))
        return bool(np.any((self.feature % width == feature) & ~leaf))

    def save(self, path: Path) -> None:
        """Write one ``.npz`` file."""
        np.savez(
            path,
            roots=self.roots,
            feature=self.feature,
            threshold=self.threshold,
            children=self.children,
            value=self.value,
            depth=np.array(self.depth),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path) as found:
            return cls(**{name: found[name] for name in found.files if name != "depth"}, depth=int(found["depth"]))


@dataclass(slots=True)
class _Node:
    feature: int
    threshold: float
    no: int
    yes: int
    value: float


def _grow(node: Mapping[str, Any], nodes: list[_Node], width: int) -> int:
    """Add a node and what is below it; returns the depth below."""
    own = len(nodes)
    if "split_feature" not in node:
        nodes.append(_Node(0, 0.0, own, own, float(node.get("leaf_value", 0.0))))
        return 0
    if node["decision_type"] != "<=":
        raise Terminal(f"a split by {node['decision_type']!r} is not understood: {json.dumps(node)[:100]}")
    made = _Node(int(node["split_feature"]), float(node["threshold"]), 0, 0, 0.0)
    nodes.append(made)
    below_left = _grow(node["left_child"], nodes, width)
    right = len(nodes)
    below_right = _grow(node["right_child"], nodes, width)
    made.no, made.yes = right, own + 1
    if node["missing_type"] != "NaN":
        made.feature += 2 * width
    elif node["default_left"]:
        # seen <= threshold is the same as not (-seen <= -(the next number)), but for NaN
        made.feature += width
        made.threshold = -float(np.nextafter(made.threshold, np.inf))
        made.no, made.yes = own + 1, right
    return 1 + max(below_left, below_right)
