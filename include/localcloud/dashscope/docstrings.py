"""Questions and answers that every machine has: the summaries of docstrings, and what the rest of them says.

Packages are read with ``ast``; nothing of them is imported.
"""

from __future__ import annotations

import ast
import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("torch", "transformers", "scipy", "numpy", "sklearn", "networkx", "sqlalchemy", "datasets", "peft", "httpx")
_SUMMARY = (25, 200)
_BODY_AT_LEAST = 200
# A long body's beginning says what it is about.
_BODY_AT_MOST = 1200


def pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Summary and body of ``count`` docstrings, or of as many as there are, always the same ones for a seed."""
    files = sorted(file for package in PACKAGES for file in _files(package))
    random.Random(seed).shuffle(files)  # noqa: S311 - a sample, no secret
    found: dict[str, str] = {}
    for file in files:
        for summary, body in _of_file(file):
            found.setdefault(body, summary)
        if len(found) >= count:
            break
    return [(summary, body) for body, summary in found.items()][:count]


def _files(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:
        yield from Path(spec.origin).parent.rglob("*.py")


def _of_file(file: Path) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            summary, _, body = (ast.get_docstring(node) or "").partition("\n\n")
            summary, body = " ".join(summary.split()), " ".join(body.split())
            if _SUMMARY[0] <= len(summary) <= _SUMMARY[1] and len(body) >= _BODY_AT_LEAST:
                yield summary, body[:_BODY_AT_MOST]
