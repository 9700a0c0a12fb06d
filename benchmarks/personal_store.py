"""What the store of persons takes, and what a personal order adds to a search.

    .venv/bin/python -m benchmarks.personal_store [--persons 1000000] [--candidates 50]

Every person is as large as one can be (a hundred items, all affinities, a mean vector). The time is of one search's
candidates in one person's order, the person read from the store: over a model of ``--items`` items that serving maps
from files. Written to ``benchmarks/results/personal_store.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from searchloom.personalization.catalog import Catalog, Item
from searchloom.personalization.events import Log
from searchloom.personalization.features import FEATURES
from searchloom.personalization.fit import fit
from searchloom.personalization.heard import key_of
from searchloom.personalization.person import HISTORY, Person
from searchloom.personalization.ranker import Group, Training, learn
from searchloom.personalization.serve import Candidate, Personal
from searchloom.personalization.store import Store

RESULTS = Path(__file__).parent / "results" / "personal_store.json"
NOW = 1_760_000_000.0
KINDS = 40
DRAWN = 1000  # different persons; each has as many keys as it takes


def model_of(items: int, generator: np.random.Generator) -> Personal:
    """A model of as many items, each with as many neighbours as one keeps, and a forest of full size."""
    described = [Item(f"{number:032x}", category=f"kind-{number % KINDS}", year=2000) for number in range(items)]
    persons, each = 4000, 60
    user = np.repeat(np.arange(persons), each).astype(np.int32)
    item = np.minimum(generator.zipf(1.3, len(user)) - 1, items - 1).astype(np.int32)
    item = (item + user * 7 % 97).astype(np.int32) % items
    moments = NOW - generator.random(len(user)) * 1e7
    log = Log([str(number) for number in range(persons)], [each.item_id for each in described], user,
              item, moments, np.ones(len(user), np.float32))  # fmt: skip
    vectors = generator.normal(size=(items, 64)).astype(np.float32)
    model = fit(log, Catalog(described, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))
    groups = []
    for person in range(200):
        lines = generator.normal(size=(60, len(FEATURES))).astype(np.float32)
        labels = (lines[:, :6].sum(axis=1) + generator.normal(size=60) > 3).astype(np.int32)
        groups.append(Group(person, np.arange(60), lines, labels, generator.normal(size=60)))
    ranker = learn(groups, training=Training(least_in_leaf=10))
    return Personal(model, ranker, ranker)


def person_of(key: bytes, personal: Personal) -> Person:
    """A person of full size, drawn from the key."""
    generator = np.random.default_rng(int.from_bytes(key[:8]))
    rows = generator.integers(0, len(personal.model), HISTORY).tolist()
    person = Person(
        items=[personal.model.ids[row] for row in dict.fromkeys(rows)],
        events=500,
        first=1_700_000_000,
        last=int(NOW),
        categories={f"kind-{number}": 1.5 for number in range(8)},
        mean=personal.model.vectors[rows[0]].astype(np.float16).astype(np.float32),
    )
    person.interests = [1.0] * len(person.items)
    return person


def measure(persons: int, items: int, candidates: int, searches: int = 1000) -> dict[str, Any]:
    """Fill a store, and order candidates out of it."""
    generator = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        made = model_of(items, generator)
        made.save(Path(folder) / "model")
        personal = Personal.load(Path(folder) / "model")
        keys = [key_of(str(number)) for number in range(persons)]
        with Store(Path(folder) / "store") as store:
            began = time.perf_counter()
            several = [person_of(key_of(f"drawn {number}"), personal) for number in range(DRAWN)]
            store.replace(keys, lambda key: several[int.from_bytes(key[:4]) % DRAWN])
            filled = time.perf_counter() - began
            took, worked = [], []
            for _ in range(searches):
                key = keys[int(generator.integers(persons))]
                rows = generator.choice(items, candidates, replace=False)
                hits = [Candidate(personal.model.ids[row], float(number)) for number, row in enumerate(rows)]
                began, cpu = time.perf_counter(), time.process_time()
                placed = personal.order(store.get(key), hits, NOW)
                took.append(1000 * (time.perf_counter() - began))
                worked.append(1000 * (time.process_time() - cpu))
                assert len(placed) == candidates
            return {
                "persons": len(store),
                "bytes": store.size,
                "bytes_a_person": round(store.size / len(store), 1),
                "fill_s": round(filled, 1),
                "items": items,
                "candidates": candidates,
                "order_ms": percentiles(took),
                # Of a machine that does other work as well, this says more.
                "order_cpu_ms": percentiles(worked),
            }


def percentiles(values: list[float]) -> dict[str, float]:
    """The middle and the slowest of a hundred."""
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (50, 99)}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=50)
    chosen = parser.parse_args()
    found = measure(chosen.persons, chosen.items, chosen.candidates)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
