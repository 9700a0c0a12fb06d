"""Live channels as OSS keeps them: names and settings. Nothing is streamed here, so a channel is never live."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from localcloud.oss import xml
from localcloud.oss.answer import Answer, xml_answer
from localcloud.oss.errors import OssError, invalid_argument
from localcloud.oss.multipart_actions import whole_number
from localcloud.oss.records import bucket_of, now_ms
from localcloud.oss.request import OssRequest
from localcloud.oss.store import Store
from localcloud.oss.uploading import Threads

_STATUSES = ("enabled", "disabled")
_DEFAULTS = {"Type": "HLS", "FragDuration": "5", "FragCount": "3", "PlaylistName": "playlist.m3u8"}


@dataclass(frozen=True, slots=True)
class ChannelActions:
    """Handlers of ``?live``."""

    store: Store
    threads: Threads

    async def put(self, request: OssRequest) -> Answer:
        """PutLiveChannel."""
        root = xml.parse(await request.document(), "LiveChannelConfiguration")
        target = {name: (root.findtext(f"Target/{name}") or "").strip() or _DEFAULTS[name] for name in _DEFAULTS}
        content = {
            "Description": root.findtext("Description") or "",
            "Status": _status_of((root.findtext("Status") or "enabled").strip()),
            "Target": target,
        }
        await self.threads.run(self._save, request.bucket, request.key, content)
        return xml_answer("CreateLiveChannelResult", _urls(request, request.key, target["PlaylistName"]))

    async def put_status(self, request: OssRequest) -> Answer:
        """PutLiveChannelStatus."""
        status = _status_of(request.query["status"])
        content = await self.threads.run(self._read, request.bucket, request.key)
        await self.threads.run(self._save, request.bucket, request.key, {**content, "Status": status})
        return Answer()

    async def get(self, request: OssRequest) -> Answer:
        """GetLiveChannelInfo."""
        content = await self.threads.run(self._read, request.bucket, request.key)
        return xml_answer("LiveChannelConfiguration", content)

    async def delete(self, request: OssRequest) -> Answer:
        """DeleteLiveChannel: one that is not there is none the worse."""
        await self.threads.run(self._delete, request.bucket, request.key)
        return Answer(204)

    async def list_page(self, request: OssRequest) -> Answer:
        """ListLiveChannel."""
        limit = whole_number(request, "max-keys", 100, 1, 1000)
        prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
        rows = await self.threads.run(self._list, request.bucket)
        found = [row for row in rows if row[0].startswith(prefix) and row[0].encode() > marker.encode()]
        page = found[:limit]
        content: list[tuple[str, xml.Content]] = [
            ("Prefix", prefix),
            ("Marker", marker),
            ("MaxKeys", limit),
            ("IsTruncated", len(found) > limit),
            ("NextMarker", page[-1][0] if len(found) > limit else ""),
        ]
        for name, modified_ms, channel in page:
            described: dict[str, xml.Content] = {
                "Name": name,
                "Description": channel["Description"],
                "Status": channel["Status"],
                "LastModified": xml.iso_time(modified_ms),
                **_urls(request, name, channel["Target"]["PlaylistName"]),
            }
            content.append(("LiveChannel", described))
        return xml_answer("ListLiveChannelResult", content)

    def _save(self, bucket: str, name: str, content: dict[str, Any]) -> None:
        with self.store.database.write() as connection:
            bucket_of(connection, bucket)
            row = (bucket, name.encode(), now_ms(), json.dumps(content))
            connection.execute("INSERT OR REPLACE INTO channels VALUES (?, ?, ?, ?)", row)

    def _read(self, bucket: str, name: str) -> dict[str, Any]:
        with self.store.database.read() as connection:
            bucket_of(connection, bucket)
            return _content_of(connection, bucket, name)

    def _delete(self, bucket: str, name: str) -> None:
        with self.store.database.write() as connection:
            bucket_of(connection, bucket)
            connection.execute("DELETE FROM channels WHERE bucket = ? AND name = ?", (bucket, name.encode()))

    def _list(self, bucket: str) -> list[tuple[str, int, dict[str, Any]]]:
        query = "SELECT name, modified_ms, content FROM channels WHERE bucket = ? ORDER BY name"
        with self.store.database.read() as connection:
            bucket_of(connection, bucket)
            rows = connection.execute(query, (bucket,)).fetchall()
        return [(row[0].decode(), row[1], json.loads(row[2])) for row in rows]


def _content_of(connection: sqlite3.Connection, bucket: str, name: str) -> dict[str, Any]:
    query = "SELECT content FROM channels WHERE bucket = ? AND name = ?"
    row = connection.execute(query, (bucket, name.encode())).fetchone()
    if row is None:
        raise OssError("NoSuchLiveChannel", "The specified live channel does not exist.", LiveChannel=name)
    content: dict[str, Any] = json.loads(row[0])
    return content


def _status_of(text: str) -> str:
    if text not in _STATUSES:
        raise invalid_argument("The status is not enabled or disabled.", "Status", text)
    return text


def _urls(request: OssRequest, name: str, playlist: str) -> dict[str, xml.Content]:
    host = request.headers.get("host", "")
    return {
        "PublishUrls": {"Url": f"rtmp://{host}/live/{request.bucket}/{quote(name)}"},
        "PlayUrls": {"Url": f"http://{host}/{request.bucket}/{quote(name)}/{quote(playlist)}"},
    }
