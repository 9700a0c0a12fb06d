"""A small behaviour set with a known truth: people of a taste stay with items of that taste."""

from __future__ import annotations

import numpy as np

from searchloom.personalization.catalog import Catalog, Item
from searchloom.personalization.events import Event, Log, log_of
from searchloom.personalization.texts import latent_vectors

TASTES = ("space", "garden", "sea", "city")
DAY = 86_400.0
BEGIN = 1_700_000_000.0
WORDS = {
    "space": "rocket orbit moon star probe", "garden": "rose soil seed hedge lawn",
    "sea": "wave reef tide sail fish", "city": "tram tower street square lamp",
}  # fmt: skip


def items(count: int = 120) -> list[Item]:
    """Items in turn of each taste, of two decades."""
    return [
        Item(
            f"item-{number}",
            title=f"{TASTES[number % 4]} {number}",
            text=WORDS[TASTES[number % 4]],
            category=TASTES[number % 4],
            tags=(TASTES[number % 4], "even" if number % 2 == 0 else "odd"),
            year=1990 + number % 20,
        )
        for number in range(count)
    ]


def events(persons: int = 120, each: int = 24, count: int = 120, *, seed: int = 1, loyal: float = 0.85) -> list[Event]:
    """Each person rates items, mostly of one taste, and those of that taste well."""
    generator = np.random.default_rng(seed)
    popular = 1 / np.arange(1, count + 1) ** 0.5
    found = []
    for person in range(persons):
        taste = person % 4
        own = np.where(np.arange(count) % 4 == taste, loyal, (1 - loyal) / 3) * popular
        chosen = generator.choice(count, each, replace=False, p=own / own.sum())
        for step, item in enumerate(chosen.tolist()):
            value = 5.0 if item % 4 == taste else float(generator.integers(1, 4))
            moment = BEGIN + (person % 30) * DAY + step * 3600
            found.append(Event(f"user-{person}", f"item-{item}", "rating", moment, value))
    return found


def small(**more: int) -> tuple[Log, Catalog]:
    """Log and catalogue of a set."""
    described = items()
    found = log_of(events(**more), [item.item_id for item in described])
    return found, Catalog(described, latent_vectors(described))
