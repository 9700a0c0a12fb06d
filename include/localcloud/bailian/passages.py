"""The pieces of text of all indexes: their vectors, their words, and the search by both."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localcloud.bailian.texts import words_of
from localcloud.dashscope.worker import ModelWorker
from localcloud.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, index_id TEXT NOT NULL, file_id TEXT NOT NULL, ordinal INTEGER NOT NULL,
    text TEXT NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS passages_of_files ON passages (index_id, file_id);
CREATE VIRTUAL TABLE IF NOT EXISTS passage_words USING fts5 (words, index_id UNINDEXED);
"""
Embed = Callable[[Sequence[str]], list[list[float]]]
"""Texts to vectors of unit length."""

_BATCH = 8
# Longer texts are cut by the model and not refused.
_NO_LIMIT = 2**31
# How much of a score is the vectors' and how much the words'.
_DENSE_SHARE = 0.7


def embedder(worker: ModelWorker) -> Embed:
    """The packaged model's vectors."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        vectors: list[list[float]] = worker.ask({"texts": list(texts), "max_tokens": _NO_LIMIT})["vectors"]
        return vectors

    return embed


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of text of a file, and how well it answers (0 to 1)."""

    id: int
    index_id: str
    file_id: str
    text: str
    score: float


class Passages:
    """Search by the cosine of vectors and by BM25 of words."""

    def __init__(self, database: Database, embed: Embed) -> None:
        self._database = database
        self._embed = embed

    def replace(self, index_id: str, file_id: str, texts: Sequence[str]) -> None:
        """Let an index hold exactly these pieces of a file."""
        vectors = [
            np.asarray(vector, np.float32).tobytes()
            for start in range(0, len(texts), _BATCH)
            for vector in self._embed(texts[start : start + _BATCH])
        ]
        with self._database.transaction() as connection:
            self.delete(index_id, file_id)
            for ordinal, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
                added = connection.execute(
                    "INSERT INTO passages (index_id, file_id, ordinal, text, vector) VALUES (?, ?, ?, ?, ?)",
                    (index_id, file_id, ordinal, text, vector),
                ).lastrowid
                row = (added, " ".join(words_of(text)), index_id)
                connection.execute("INSERT INTO passage_words (rowid, words, index_id) VALUES (?, ?, ?)", row)

    def delete(self, index_id: str, file_id: str | None = None) -> None:
        """Forget what an index holds, of one file or of all."""
        condition, values = (
            ("index_id = ? AND file_id = ?", (index_id, file_id)) if file_id else ("index_id = ?", (index_id,))
        )
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM passage_words WHERE rowid IN (SELECT id FROM passages WHERE {condition})",  # noqa: S608
                values,
            )
            connection.execute(f"DELETE FROM passages WHERE {condition}", values)  # noqa: S608 - own text

    def search(self, index_id: str, query: str, *, dense: int, sparse: int) -> list[Passage]:
        """The nearest ``dense`` pieces by vectors and ``sparse`` by words, together in the order of their scores."""
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT * FROM passages WHERE index_id = ? ORDER BY id", (index_id,)).fetchall()
        if not rows:
            return []
        vectors = np.stack([np.frombuffer(row["vector"], np.float32) for row in rows])
        (about,) = self._embed([query])
        cosines = np.clip(vectors @ np.asarray(about, np.float32), 0, 1)
        words = self._words(index_id, query, rows)
        chosen = {*np.argsort(-cosines, kind="stable")[:dense], *_best(words, sparse)}
        scores = _DENSE_SHARE * cosines + (1 - _DENSE_SHARE) * words
        return [
            Passage(rows[at]["id"], index_id, rows[at]["file_id"], rows[at]["text"], round(float(scores[at]), 6))
            for at in sorted(chosen, key=lambda at: (-scores[at], at))
        ]

    def _words(self, index_id: str, query: str, rows: Sequence[sqlite3.Row]) -> npt.NDArray[np.float32]:
        """BM25 of each row as a share of the best row's."""
        asked = " OR ".join(f'"{word}"' for word in dict.fromkeys(words_of(query)))
        scores = np.zeros(len(rows), np.float32)
        if not asked:
            return scores
        with self._database.transaction() as connection:
            found = connection.execute(
                "SELECT rowid, bm25(passage_words) AS score FROM passage_words WHERE words MATCH ? AND index_id = ?",
                (asked, index_id),
            ).fetchall()
        places = {row["id"]: at for at, row in enumerate(rows)}
        for row in found:
            scores[places[row["rowid"]]] = max(0.0, -row["score"])
        best = scores.max(initial=0)
        return scores / best if best > 0 else scores


def _best(scores: npt.NDArray[np.float32], count: int) -> list[int]:
    return [int(at) for at in np.argsort(-scores, kind="stable")[:count] if scores[at] > 0]
