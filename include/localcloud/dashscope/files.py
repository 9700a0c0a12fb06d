"""Files that were uploaded, for fine-tunes: bytes in a folder, the rest in SQLite."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from python_multipart import parse_form
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File

from localcloud.dashscope.errors import DashScopeError, invalid_parameter
from localcloud.dashscope.request import Request
from localcloud.database import Database
from localcloud.sts.service import ACCOUNT_ID
from localcloud.timestamps import now_ms

MAX_UPLOAD_BYTES = 300 * 1024 * 1024

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT NOT NULL,
    size INTEGER NOT NULL, md5 TEXT NOT NULL, created_ms INTEGER NOT NULL
);
"""
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Written:
    id: str
    name: str
    size: int
    md5: str


class Files:
    """The calls about files."""

    def __init__(self, root: Path, region: str) -> None:
        self._database = Database(root / "files.sqlite", _SCHEMA)
        self._folder = root / "files"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._region = region

    def upload(self, request: Request) -> dict[str, Any]:
        """Keep the form's parts called ``files``; its ``descriptions`` belong to them in order."""
        descriptions: list[str] = []
        written: list[_Written] = []
        failed: list[dict[str, str]] = []

        def on_field(field: Field) -> None:
            if field.field_name == b"descriptions":
                descriptions.append((field.value or b"").decode(errors="replace"))

        def on_file(file: File) -> None:
            name = Path((file.file_name or b"").decode(errors="replace")).name
            if file.field_name == b"files" and file.size:
                written.append(self._write(file, name))
            elif file.field_name == b"files":
                failed.append({"name": name, "code": "InvalidFile.Empty", "message": "The file is empty."})

        try:
            kind = request.headers.get("content-type", "").encode("latin-1")
            parse_form({"Content-Type": kind}, request.body, on_field, on_file)
        except (FormParserError, ValueError) as error:
            raise invalid_parameter(f"The request body is no multipart form: {error}") from None
        if not written and not failed:
            raise invalid_parameter("The form has no part called files.")
        self._add(written, descriptions)
        uploaded = [{"name": each.name, "file_id": each.id} for each in written]
        return {"data": {"uploaded_files": uploaded, "failed_uploads": failed}}

    def page(self, request: Request) -> dict[str, Any]:
        """A page of the files, the last first."""
        number, size = request.page()
        with self._database.transaction() as connection:
            total = connection.execute("SELECT COUNT(*) FROM files").fetchone()[0]
            rows = connection.execute(
                "SELECT * FROM files ORDER BY number DESC LIMIT ? OFFSET ?", (size, (number - 1) * size)
            ).fetchall()
        found = [self._view(row) for row in rows]
        return {"data": {"total": total, "page_no": number, "page_size": size, "files": found}}

    def get(self, request: Request) -> dict[str, Any]:
        """One file."""
        return {"data": self._view(self._row(request.parameters["file"]))}

    def delete(self, request: Request) -> dict[str, Any]:
        """Forget a file."""
        file_id = request.parameters["file"]
        with self._database.transaction() as connection:
            self._row(file_id)
            connection.execute("DELETE FROM files WHERE id = ?", (file_id,))
        (self._folder / file_id).unlink(missing_ok=True)
        return {}

    def path(self, file_id: str) -> Path:
        """Where the bytes of a file are; raises ``NotFound``."""
        self._row(file_id)
        return self._folder / file_id

    def name(self, file_id: str) -> str:
        """What a file was called; raises ``NotFound``."""
        name: str = self._row(file_id)["name"]
        return name

    def _row(self, file_id: str) -> sqlite3.Row:
        with self._database.transaction() as connection:
            row: sqlite3.Row | None = connection.execute("SELECT * FROM files WHERE id = ?", (file_id,)).fetchone()
        if row is None:
            raise DashScopeError(404, "NotFound", f"The file {file_id!r} does not exist.")
        return row

    def _add(self, written: list[_Written], descriptions: list[str]) -> None:
        now = now_ms()
        padded = [*descriptions, *([""] * len(written))]
        rows = [
            (each.id, each.name, text, each.size, each.md5, now) for each, text in zip(written, padded, strict=False)
        ]
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO files (id, name, description, size, md5, created_ms) VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def _write(self, file: File, name: str) -> _Written:
        # On the disk before it is in the table: what is listed is whole.
        file_id, digest = str(uuid.uuid4()), hashlib.md5(usedforsecurity=False)
        source = file.file_object
        source.seek(0)
        with (self._folder / file_id).open("wb") as target:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                target.write(piece)
            target.flush()
            os.fsync(target.fileno())
        return _Written(file_id, name, file.size, digest.hexdigest())

    def _view(self, row: sqlite3.Row) -> dict[str, Any]:
        created = datetime.fromtimestamp(row["created_ms"] / 1000, UTC)
        return {
            "file_id": row["id"],
            "name": row["name"],
            "description": row["description"],
            "size": row["size"],
            "md5": row["md5"],
            "gmt_create": created.strftime("%Y-%m-%d %H:%M:%S"),
            "user_id": ACCOUNT_ID,
            "region": self._region,
        }
