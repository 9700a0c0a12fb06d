"""The docstrings of Python packages as documents: real text that every machine has.

Sources are read with ``ast``; nothing is imported. A document is a public class or function with its docstring
*without* the summary line; the summary line is a query that this document answers.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SUMMARY = range(25, 201)  # characters of a summary line that reads like a query
_MIN_BODY = 200  # characters
_SKIPPED_FOLDERS = {"tests", "test", "testing", "_vendor", "vendor", "example_dags", "examples"}


@dataclass(frozen=True, slots=True)
class Symbol:
    """One documented name: ``title`` is its full name, ``summary`` its first line, ``body`` the rest."""

    title: str
    summary: str
    body: str


def symbols(package: str, folder: Path) -> Iterator[Symbol]:
    """Every documented public class, function and method below a package's folder, in a stable order."""
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder)
        if _SKIPPED_FOLDERS & set(inside.parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue  # a template or a test file of another Python version: not part of the reference
        module = ".".join((package, *inside.with_suffix("").parts)).removesuffix(".__init__")
        yield from _documented(tree, module)


def _documented(node: ast.AST, prefix: str) -> Iterator[Symbol]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or _private(child.name):
            continue
        name = f"{prefix}.{child.name}"
        if symbol := _symbol(name, ast.get_docstring(child, clean=True) or ""):
            yield symbol
        if isinstance(child, ast.ClassDef):
            yield from _documented(child, name)


def _symbol(name: str, docstring: str) -> Symbol | None:
    first, _, rest = docstring.partition("\n\n")
    summary = " ".join(first.split())
    body = inspect.cleandoc(rest).strip()
    if len(summary) not in _SUMMARY or len(body) < _MIN_BODY or summary in body:
        return None
    return Symbol(name, summary, body)


def _private(name: str) -> bool:
    return name.startswith("_") and name != "__init__"
