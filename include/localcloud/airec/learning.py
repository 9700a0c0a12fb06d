"""``python -m localcloud.airec.learning TABLES DATA_SET FOLDER LIMIT_S``: train a model of one data set, once.

A process of its own, so that serving goes on meanwhile. The model of clicks is trained on what each user did last,
against what recall would have shown him and what was shown to him in vain; recall is learned for that from what each
did before. Ends by itself after ``LIMIT_S`` seconds; the folder appears complete, or not at all. Exit 3: there is too
little behaviour to learn from.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import lightgbm
import numpy as np
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from localcloud.airec.content import DIMS, vector_of
from localcloud.airec.interests import interest_of
from localcloud.airec.keeper import TOO_LITTLE
from localcloud.airec.model import Ints, Key, Past, Trained

_LEAST_ROWS, _LEAST_USERS = 200, 10
_MOST_ROWS = 1_000_000  # the newest
_EASE_ITEMS = 4000
_EASE_REGULARISATION = 200.0
_KEPT = 200  # entries of an item's row
_FACTORS, _ROUNDS, _CONFIDENCE = 48, 12, 10.0
_SHARE = 0.8
_LATELY = 0.1  # of the rows
_TRAIN_USERS = 2000
_RECALLED, _NEGATIVES = 50, 60
_SEED = 7


@dataclass(frozen=True, slots=True)
class Rows:
    """Behaviour as columns, in the order in which it was done; ``item`` and ``user`` are places."""

    keys: list[Key]
    fields: list[dict[str, str]]
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    interest: NDArray[np.float64]
    time: NDArray[np.float64]
    users: int

    def only(self, keep: NDArray[np.bool_]) -> Rows:
        """The rows that ``keep`` marks."""
        return replace(
            self, user=self.user[keep], item=self.item[keep], interest=self.interest[keep], time=self.time[keep]
        )

    def of_user(self, user: int) -> slice:
        """Where a user's rows are; they are sorted by user, then by time."""
        low, high = np.searchsorted(self.user, [user, user + 1])
        return slice(int(low), int(high))


def main(tables: Path, data_set: str, folder: Path, limit_s: int) -> int:
    """Train and write the model; see the module's docstring."""
    signal.alarm(limit_s)
    os.nice(10)
    rows, count = read(tables, data_set)
    positive = rows.interest > 0
    if positive.sum() < _LEAST_ROWS or len(np.unique(rows.user[positive])) < _LEAST_USERS:
        return TOO_LITTLE
    with threadpool_limits(1):
        early, late = split(rows)
        lines, labels = samples(tables_of(early), early, late)
        if not labels.any():
            return TOO_LITTLE
        model = replace(tables_of(rows), behaviors=count, booster=clicks(lines, labels))
    partly = folder.with_name(f"{folder.name}.partly-{os.getpid()}")
    model.save(partly)
    partly.rename(folder)
    return 0


def read(tables: Path, data_set: str) -> tuple[Rows, int]:
    """The behaviour of a data set that still has its item, and how many rows there are in all."""
    connection = sqlite3.connect(f"file:{tables}?mode=ro", uri=True)
    items = connection.execute(
        "SELECT id, type, fields FROM documents WHERE data_set = ? AND kind = 'item' AND fields IS NOT NULL "
        "ORDER BY number", (data_set,),
    ).fetchall()  # fmt: skip
    (count,) = connection.execute("SELECT COUNT(*) FROM behaviors WHERE data_set = ?", (data_set,)).fetchone()
    newest = connection.execute(
        "SELECT fields FROM behaviors WHERE data_set = ? ORDER BY number DESC LIMIT ?", (data_set, _MOST_ROWS)
    )
    places = {(item, kind): place for place, (item, kind, _) in enumerate(items)}
    users: dict[str, int] = {}
    found = []
    for (text,) in newest:
        fields = json.loads(text)
        place = places.get((fields["item_id"], fields["item_type"]))
        if place is not None:
            user = fields.get("user_id") or fields.get("imei", "")
            found.append((users.setdefault(user, len(users)), float(fields["bhv_time"]), place, interest_of(fields)))
    connection.close()
    columns = np.array(found, np.float64).reshape(-1, 4)
    columns = columns[::-1][np.lexsort((columns[::-1, 1], columns[::-1, 0]))]
    return Rows(
        keys=list(places),
        fields=[json.loads(text) for _, _, text in items],
        user=columns[:, 0].astype(np.int64),
        item=columns[:, 2].astype(np.int64),
        interest=columns[:, 3],
        time=columns[:, 1],
        users=len(users),
    ), int(count)


def split(rows: Rows) -> tuple[Rows, Rows]:
    """The first share of each user's rows, and the rest."""
    counts = np.bincount(rows.user, minlength=rows.users)
    order = np.arange(len(rows.user)) - (np.cumsum(counts) - counts)[rows.user]
    before = order < np.maximum(np.floor(counts * _SHARE), 1)[rows.user]
    return rows.only(before), rows.only(~before)


def tables_of(rows: Rows) -> Trained:
    """Recall, popularity and what else is known of the items."""
    size = len(rows.keys)
    yes = rows.interest > 0
    dealt = sp.csr_matrix((np.ones(int(yes.sum())), (rows.user[yes], rows.item[yes])), (rows.users, size))
    dealt.data[:] = 1.0
    starts, columns, values = _ease(dealt)
    factors = _factors(dealt)
    shown = np.bincount(rows.item[rows.interest == 0], minlength=size)
    clicked = np.bincount(rows.item[yes], minlength=size)
    mean = clicked.sum() / max(shown.sum() + clicked.sum(), 1)
    lately = yes & (rows.time >= np.quantile(rows.time, 1 - _LATELY))
    names = {name: place for place, name in enumerate(sorted({_category(each) for each in rows.fields}))}
    return Trained(
        keys=rows.keys,
        starts=starts,
        columns=columns,
        values=values,
        factors=factors,
        gram=factors.T.astype(np.float64) @ factors + 5.0 * np.eye(factors.shape[1]),
        vectors=np.array([vector_of(each) for each in rows.fields], np.float32).reshape(size, DIMS),
        total=clicked.astype(np.float32),
        lately=np.bincount(rows.item[lately], minlength=size).astype(np.float32),
        click_rate=((clicked + 10 * mean) / (shown + clicked + 10)).astype(np.float32),
        published=np.array([float(each.get("pub_time") or "nan") for each in rows.fields], np.float64),
        category=np.array([names[_category(each)] if _category(each) else -1 for each in rows.fields], np.int32),
    )


def samples(model: Trained, early: Rows, late: Rows) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Features of what users did after the split and of what they left, and which is which."""
    generator = np.random.default_rng(_SEED)
    users = np.unique(late.user[late.interest > 0])
    if len(users) > _TRAIN_USERS:
        users = np.sort(generator.choice(users, _TRAIN_USERS, replace=False))
    lines, labels = [], []
    for user in users.tolist():
        mine, later = early.of_user(user), late.of_user(user)
        past = Past(early.item[mine][::-1], early.interest[mine][::-1])
        dealt = past.places[past.interests != 0]
        # Only what recall would have brought counts on either side: else the model learns that recall is wrong.
        shown = np.union1d(model.recalled(past, _RECALLED), late.item[later][late.interest[later] <= 0])
        taken = np.intersect1d(np.setdiff1d(late.item[later][late.interest[later] > 0], dealt), shown)
        left = np.setdiff1d(shown, np.union1d(dealt, taken))
        if len(left) > _NEGATIVES:
            left = np.sort(generator.choice(left, _NEGATIVES, replace=False))
        places: Ints = np.concatenate([taken, left])
        if len(taken) and len(left):
            lines.append(model.lines(past, places, float(late.time[later][0])))
            labels.append(np.isin(places, taken).astype(np.int8))
    if not lines:
        return np.empty((0, 0), np.float32), np.empty(0, np.int8)
    return np.concatenate(lines), np.concatenate(labels)


def clicks(lines: NDArray[np.float32], labels: NDArray[np.int8]) -> lightgbm.Booster:
    """The model of clicks."""
    parameters = {
        "objective": "binary", "learning_rate": 0.06, "num_leaves": 15, "min_data_in_leaf": 40,
        "feature_fraction": 0.8, "lambda_l2": 5.0, "seed": _SEED, "deterministic": True, "num_threads": 1,
        "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(lines, label=labels, params={"verbosity": -1})
    return lightgbm.train(parameters, data, num_boost_round=100)


def _ease(dealt: sp.csr_matrix) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """EASE (Steck, WWW 2019) over the popular items; the strongest weights of each, as sparse rows."""
    size = dealt.shape[1]
    popular = np.sort(np.argsort(-np.asarray(dealt.sum(axis=0)).ravel(), kind="stable")[:_EASE_ITEMS])
    chosen = dealt[:, popular]
    gram = (chosen.T @ chosen).toarray()
    diagonal = np.diag_indices(len(popular))
    gram[diagonal] += _EASE_REGULARISATION
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    weights[diagonal] = 0.0
    width = min(_KEPT, len(popular))
    kept = np.sort(np.argpartition(-np.abs(weights), width - 1, axis=1)[:, :width], axis=1)
    counts = np.zeros(size, np.int64)
    counts[popular] = width
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts, popular[kept].ravel().astype(np.int32), np.take_along_axis(weights, kept, 1).ravel().astype("f4")


def _factors(dealt: sp.csr_matrix) -> NDArray[np.float32]:
    model = AlternatingLeastSquares(
        factors=max(1, min(_FACTORS, min(dealt.shape) - 1)), regularization=5.0, iterations=_ROUNDS,
        random_state=_SEED, num_threads=1,
    )  # fmt: skip
    model.fit((dealt * _CONFIDENCE).astype(np.float32), show_progress=False)
    return np.asarray(model.item_factors, np.float32)


def _category(fields: dict[str, str]) -> str:
    return fields.get("category_path", "") or fields.get("channel", "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
