"""Why an item came: what speaks most for it in what a person dealt with."""

from __future__ import annotations

import numpy as np

from searchloom.personalization.model import Recall
from searchloom.personalization.sparse import Ints

_ALIKE = 0.3  # cosine from which a text speaks for another


def reasons(recall: Recall, rows: Ints) -> list[str]:
    """A word for each item: ``related:ID`` to what the person liked, ``alike:ID`` in its text, ``popular``, ``query``.

    ``query`` is the reason of an item that the model does not know (row -1).
    """
    model, history = recall.model, recall.history
    liked = history.rows[history.interests > 0]
    if not len(liked):
        return ["popular" if row >= 0 else "query" for row in rows.tolist()]
    related = _related(recall, liked, rows)
    alike = model.vectors[rows] @ model.vectors[liked].T
    nearest, likeness = alike.argmax(axis=1), alike.max(axis=1)
    found = []
    for place, row in enumerate(rows.tolist()):
        if row < 0:
            found.append("query")
        elif related[place] >= 0:
            found.append(f"related:{model.ids[related[place]]}")
        elif likeness[place] > _ALIKE:
            found.append(f"alike:{model.ids[liked[nearest[place]]]}")
        else:
            found.append("popular")
    return found


def _related(recall: Recall, liked: Ints, rows: Ints) -> Ints:
    """For each item the liked one with the largest weight for it; -1 where none has one."""
    table = recall.model.all_ease
    columns, weights = table.entries(liked, np.ones(len(liked)))
    owners = np.repeat(liked, table.starts[liked + 1] - table.starts[liked])
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    places = np.searchsorted(ordered, columns)
    hits = (places < len(ordered)) & (weights > 0)
    hits[hits] = ordered[places[hits]] == columns[hits]
    best = np.full(len(rows), -1, np.int64)
    # The largest weight of an item comes last and stays.
    rising = np.argsort(weights[hits], kind="stable")
    best[order[places[hits][rising]]] = owners[hits][rising]
    return best
