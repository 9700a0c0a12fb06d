"""The page's files, read once: hashed, so that browsers keep them for a year, and compressed, to arrive fast."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".woff2": "font/woff2"}
_COMPRESSED = frozenset({".woff2"})  # inside already
_KEEP = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    etag: str
    plain: bytes
    zipped: bytes | None


class PageFiles:
    """All files below a folder that a browser may have.

    They refer to each other by relative addresses, so one ``version`` (a hash of them all) in front of every path is
    enough: when one file changes, a browser asks for all of them anew, and never mixes old ones with new ones.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES)
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}
        tags = "".join(f"{name} {file.etag}\n" for name, file in self._files.items())
        self.version = sha256(tags.encode()).hexdigest()[:12]

    def answer(self, request: Request, version: str, name: str) -> Response:
        """Answer a request for one file; 404 where there is none, 304 where the browser has it."""
        file = self._files.get(name)
        if file is None:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        headers = {
            # A page of an older or newer process, during an update, gets this process's files, but keeps none of them.
            "Cache-Control": _KEEP if version == self.version else _ASK_AGAIN,
            "ETag": file.etag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if file.etag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        if file.zipped is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(file.zipped, headers=headers, media_type=file.media_type)
        return Response(file.plain, headers=headers, media_type=file.media_type)


def _read(path: Path) -> _File:
    plain = path.read_bytes()
    zipped = None if path.suffix in _COMPRESSED else gzip.compress(plain, mtime=0)
    # Weak: the same tag stands for the plain and the compressed bytes.
    return _File(_MEDIA_TYPES[path.suffix], f'W/"{sha256(plain).hexdigest()[:20]}"', plain, zipped)
