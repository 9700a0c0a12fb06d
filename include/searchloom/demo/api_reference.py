"""The demo's corpus: the API reference of the Python packages that the set-up has just installed.

Real text, thousands of documents, full of terms that off-the-shelf models do not know, and there for anyone with a
package registry. Sources are read with ``ast``; nothing is imported. A document is a public class or function with
its docstring *without* the summary line; the summary line becomes a query that this document answers. That makes
known-item judgments: honest about one right answer, silent about other good ones. The report says so.
"""

from __future__ import annotations

import hashlib
import re
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import TypeVar

import numpy as np

from searchloom.corpus import docstrings
from searchloom.corpus.docstrings import Symbol, symbols

__all__ = ["Symbol", "collect", "fingerprint", "judged"]

PACKAGES = (
    "airflow", "fastapi", "granian", "httpx", "ir_measures", "litserve", "markdown_it", "networkx", "numpy",
    "opensearchpy", "oss2", "pandas", "pyarrow", "pydantic", "requests", "rich", "scipy", "sentence_transformers",
    "sklearn", "sqlalchemy", "starlette", "tokenizers", "torch", "transformers", "typer",
)  # fmt: skip
PER_PACKAGE = 150  # documents at most: no package drowns the others, and two cores embed it all, twice, in minutes
SPLITS = {"train": 0.4, "dev": 0.2, "test": 0.4}
QUERIES = 600

T = TypeVar("T")

_SEED = 7


def fingerprint() -> str:
    """Changes when other packages or versions are installed, or when the code chooses other documents."""
    installed = sorted(f"{found.name}=={found.version}" for found in distributions())
    code = (Path(module).read_text(encoding="utf-8") for module in (__file__, docstrings.__file__))
    return hashlib.sha256("\n".join((*code, *installed)).encode()).hexdigest()


def collect(site_packages: Path | None = None) -> dict[str, list[Symbol]]:
    """The corpus, package -> documents; bodies are unique, and the choice among too many is seeded."""
    root = site_packages or Path(next(path for path in sys.path if path.endswith("site-packages")))
    seen: set[str] = set()
    chosen: dict[str, list[Symbol]] = {}
    for package in PACKAGES:
        if not (root / package).is_dir():
            continue
        fresh = []
        for symbol in symbols(package, root / package):
            digest = hashlib.sha256(symbol.body.encode()).hexdigest()
            if digest not in seen:
                seen.add(digest)
                fresh.append(symbol)
        if len(fresh) > PER_PACKAGE:
            fresh = _sample(fresh, PER_PACKAGE)
        if fresh:
            chosen[package] = sorted(fresh, key=lambda symbol: symbol.title)
    return chosen


def judged(corpus: dict[str, list[Symbol]]) -> dict[str, list[tuple[str, Symbol]]]:
    """Known-item queries by split: ``[(package, symbol)]``; only summaries that name one document alone."""
    counts: dict[str, int] = {}
    for documents in corpus.values():
        for symbol in documents:
            counts[_plain(symbol.summary)] = counts.get(_plain(symbol.summary), 0) + 1
    pool = [(p, s) for p, documents in corpus.items() for s in documents if counts[_plain(s.summary)] == 1]
    picked = _sample(pool, min(QUERIES, len(pool)))
    splits: dict[str, list[tuple[str, Symbol]]] = {}
    start, share = 0, 0.0
    for split, part in SPLITS.items():
        share += part
        end = round(share * len(picked))
        splits[split] = picked[start:end]
        start = end
    return splits


def _sample(items: list[T], size: int) -> list[T]:
    chosen = np.random.default_rng(_SEED).permutation(len(items))[:size]
    return [items[index] for index in chosen]


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().lower()
