"""Weeks of people who search, each with tastes of their own, and what may change in the last one."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from searchloom.evaluation.drift.windows import Days

LAST = "2026-11-20"
DAYS = Days.until(LAST, recent=7, reference=28)
CORPUS = "drifting"

Change = Literal["", "languages", "long", "unseen", "nothing found", "topics", "clicks"]

_TOPICS = ("join merge table column index", "tensor gradient train layer loss epoch", "route server header cookie",
           "schedule task retry worker queue lease")  # fmt: skip
_ONE_TOPIC = np.array([1.0, 0, 0, 0])
_NEW = "quantum lattice meson hadron boson fermion gluon parton"
_CHINESE = ("怎么合并表格", "训练模型", "服务器错误", "任务重试")


def rows(seed: int, *, people: int = 100, change: Change = "", days: Days = DAYS) -> list[dict[str, Any]]:
    """The events of all days; ``change`` happens on the first recent day."""
    generator = np.random.default_rng(seed)
    tastes = generator.dirichlet(np.full(len(_TOPICS), 0.5), people)
    busy = generator.gamma(2.0, 0.2, people)  # searches a day
    chinese = generator.random(people) < 0.1
    found: list[dict[str, Any]] = []
    for day in days.all:
        changed = change if day >= days.middle else ""
        for person, count in enumerate(generator.poisson(busy).tolist()):
            for _ in range(count):
                taste = _ONE_TOPIC if changed == "topics" and generator.random() < 0.5 else tastes[person]
                query = _query(generator, taste, changed, chinese=bool(chinese[person]))
                found += _search(generator, f"user-{person}", day, query, changed)
    return found


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of the words in them: each word has a direction of its own."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            vectors[row] += np.random.default_rng([*word.encode()]).standard_normal(64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _query(generator: np.random.Generator, taste: NDArray[np.float64], changed: str, *, chinese: bool) -> str:
    if chinese or (changed == "languages" and generator.random() < 0.3):
        return str(generator.choice(_CHINESE))
    topic = _NEW if changed == "unseen" and generator.random() < 0.5 else str(generator.choice(_TOPICS, p=taste))
    count = 1 + generator.poisson(5 if changed == "long" else 1)
    return " ".join(generator.choice(topic.split(), count))


def _search(generator: np.random.Generator, user: str, day: str, query: str, changed: str) -> list[dict[str, Any]]:
    moment = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(
        seconds=float(generator.integers(80_000))
    )
    known = {"user_id": user, "tenant": "default", "corpus": CORPUS, "trace_id": f"{generator.integers(2**62):x}",
             "scene": "search", "query": query}  # fmt: skip
    if generator.random() < (0.2 if changed == "nothing found" else 0.03):
        return [_event(known, moment, type="empty", item_id="-", position=None)]
    likely = 0.15 if changed == "clicks" else 0.3
    events = []
    for place in range(1, 11):
        events.append(_event(known, moment, type="expose", item_id=f"d{place}", position=place))
        if generator.random() < likely * place**-0.8:
            events.append(_event(known, moment + timedelta(seconds=20), type="click", item_id=f"d{place}"))
    return events


def _event(known: dict[str, Any], moment: datetime, **more: Any) -> dict[str, Any]:
    return {"event_id": uuid.uuid4().hex, "time": moment.isoformat(), **known, **more}
