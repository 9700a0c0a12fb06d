"""OSS, through the vendor's ``oss2``: objects in, objects out, our errors.

``oss2`` rather than ``alibabacloud-oss-v2``: it has resumable multipart transfers, checks CRC-64 on the way both in
and out, and is what the customer's own scripts already use. Requests are signed with V4.
API: https://help.aliyun.com/en/oss/developer-reference/list-of-operations-by-function
"""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO

import oss2
import requests
import stamina

from searchloom.cloud.oss_file import ObjectFile
from searchloom.cloud.retry import repeatable
from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused, ServiceUnavailable, Transient
from searchloom.settings import Oss as OssSettings

log = logging.getLogger(__name__)
logging.getLogger("oss2").setLevel(logging.WARNING)  # it reports every 404, which is an answer like any other

DELETE_BATCH = 1000  # keys in one DeleteMultipleObjects call, a documented limit
MULTIPART_FROM = 16 * 1024 * 1024  # bytes; smaller files go up in one request
READ_AHEAD = 4 * 1024 * 1024  # bytes that an open object asks for at a time
_TIMEOUT_S = (5.0, 60.0)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of one object. ``size`` in bytes; ``metadata`` is empty when it comes from a listing."""

    key: str
    etag: str
    size: int
    last_modified: datetime
    content_type: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Oss:
    """One bucket. Reads and idempotent writes are retried, bounded and jittered, when the service is unavailable."""

    def __init__(self, settings: OssSettings) -> None:
        self.endpoint = settings.endpoint
        self.bucket_name = settings.bucket
        secret = settings.access_key_secret.get_secret_value()
        token = settings.security_token.get_secret_value()
        credentials = oss2.credentials.StaticCredentialsProvider(settings.access_key_id, secret, token or None)
        self._bucket = oss2.Bucket(
            oss2.ProviderAuthV4(credentials),
            settings.endpoint,
            settings.bucket,
            region=settings.region,
            connect_timeout=_TIMEOUT_S,
        )

    def ensure_bucket(self) -> None:
        """Create the bucket where it does not exist yet."""
        with self._call(f"bucket {self.bucket_name!r}"):
            try:
                self._bucket.get_bucket_info()
            except oss2.exceptions.NoSuchBucket:
                self._bucket.create_bucket()

    @repeatable
    def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        forbid_overwrite: bool = False,
    ) -> str:
        """Write an object and return its ETag.

        With ``forbid_overwrite`` exactly one of several writers wins and the others get ``ServiceConflict``.
        """
        headers = {"Content-Type": content_type}
        headers.update({f"x-oss-meta-{name}": value for name, value in (metadata or {}).items()})
        if forbid_overwrite:
            headers["x-oss-forbid-overwrite"] = "true"
        with self._call(key):
            return str(self._bucket.put_object(key, data, headers=headers).etag)

    @repeatable
    def get(self, key: str) -> bytes:
        """Read a whole object; ``ServiceNotFound`` where there is none. CRC-64 is checked."""
        with self._call(key):
            return bytes(self._bucket.get_object(key).read())

    @repeatable
    def get_with_info(self, key: str) -> tuple[bytes, ObjectInfo]:
        """Read a whole object together with the ETag, times and metadata it was served with."""
        with self._call(key):
            result = self._bucket.get_object(key)
            return bytes(result.read()), _info(key, result)

    @repeatable
    def head(self, key: str) -> ObjectInfo:
        """Return what is known of one object; ``ServiceNotFound`` where there is none."""
        with self._call(key):
            return _info(key, self._bucket.head_object(key))

    def exists(self, key: str) -> bool:
        """Whether the object is there; every other trouble is raised, never taken for a no."""
        try:
            self.head(key)
        except ServiceNotFound:
            return False
        return True

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object below a prefix, in UTF-8 order of the keys."""
        token = ""
        while True:
            page = self._list_page(prefix, token)
            for entry in page.object_list:
                modified = datetime.fromtimestamp(entry.last_modified, UTC)
                yield ObjectInfo(entry.key, entry.etag.strip('"'), entry.size, modified)
            if not page.is_truncated:
                return
            token = page.next_continuation_token

    @repeatable
    def _list_page(self, prefix: str, token: str) -> oss2.models.ListObjectsV2Result:
        with self._call(prefix):
            return self._bucket.list_objects_v2(prefix=prefix, continuation_token=token, max_keys=1000)

    @repeatable
    def delete(self, key: str) -> None:
        """Delete one object; nothing happens where there is none."""
        with self._call(key):
            self._bucket.delete_object(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Delete objects, a thousand to a request."""
        for start in range(0, len(keys), DELETE_BATCH):
            self._delete_batch(list(keys[start : start + DELETE_BATCH]))

    @repeatable
    def _delete_batch(self, keys: Sequence[str]) -> None:
        with self._call(keys[0]):
            self._bucket.batch_delete_objects(keys)

    @stamina.retry(on=Transient, attempts=3, timeout=600)
    def upload(
        self, path: Path, key: str, *, metadata: Mapping[str, str] | None = None, content_type: str = ""
    ) -> None:
        """Upload a file in bounded memory; large ones go up in parts that a retry resumes."""
        headers = {f"x-oss-meta-{name}": value for name, value in (metadata or {}).items()}
        if content_type:
            headers["Content-Type"] = content_type
        with self._call(key):
            oss2.resumable_upload(
                self._bucket,
                key,
                str(path),
                store=oss2.ResumableStore(root=_progress_folder()),
                headers=headers,
                multipart_threshold=MULTIPART_FROM,
                num_threads=2,
            )

    @stamina.retry(on=Transient, attempts=3, timeout=600)
    def download(self, key: str, path: Path) -> None:
        """Download an object to a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._call(key):
            oss2.resumable_download(
                self._bucket,
                key,
                str(path),
                store=oss2.ResumableDownloadStore(root=_progress_folder()),
                multiget_threshold=MULTIPART_FROM,
                num_threads=2,
            )

    def open(self, key: str) -> BinaryIO:
        """Open the object as it is now for reading by ranges, a few megabytes at a time.

        Raises ``ServiceNotFound`` where there is none; a read raises ``ServiceConflict`` once it was replaced.
        """
        info = self.head(key)

        def read_range(start: int, length: int) -> bytes:
            return self._get_range(key, info.etag, start, length)

        return io.BufferedReader(ObjectFile(info.size, read_range), READ_AHEAD)

    @repeatable
    def _get_range(self, key: str, etag: str, start: int, length: int) -> bytes:
        with self._call(key):
            headers = {"If-Match": f'"{etag}"'}
            data = bytes(self._bucket.get_object(key, (start, start + length - 1), headers=headers).read())
        if len(data) != length:
            place = f"oss://{self.bucket_name}/{key}"
            raise ServiceUnavailable(f"{len(data)} of {length} bytes came of {place}", endpoint=self.endpoint)
        return data

    def put_json(self, key: str, document: Any, *, forbid_overwrite: bool = False) -> str:
        """Write a JSON document."""
        body = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode()
        return self.put(key, body, content_type="application/json", forbid_overwrite=forbid_overwrite)

    def get_json(self, key: str) -> Any:
        """Read a JSON document; ``ServiceNotFound`` where there is none."""
        return json.loads(self.get(key))

    @contextmanager
    def _call(self, what: str) -> Iterator[None]:
        """Turn the vendor's exceptions into ours; ``what`` (a key, a prefix) goes into the sentence."""
        place = f"oss://{self.bucket_name}/{what}"
        try:
            yield
        except (oss2.exceptions.RequestError, requests.RequestException) as error:
            # oss2 wraps what goes wrong before the answer's head, and lets through what cuts its body.
            raise ServiceUnavailable(f"OSS cannot be reached for {place}: {error}", endpoint=self.endpoint) from error
        except oss2.exceptions.InconsistentError as error:
            raise ServiceUnavailable(f"the transfer of {place} was damaged", endpoint=self.endpoint) from error
        except oss2.exceptions.OssError as error:
            raise _translated(error, place, self.endpoint) from error


def _progress_folder() -> str:
    """Where unfinished transfers are noted, so that a retry goes on: not in HOME, which a worker may not have."""
    folder = Path(tempfile.gettempdir()) / f"searchloom-transfers-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return str(folder)


def _translated(error: oss2.exceptions.OssError, place: str, endpoint: str) -> Exception:
    facts: dict[str, Any] = {
        "code": error.code or str(error.status),
        "request_id": error.request_id or "",
        "endpoint": endpoint,
    }
    if error.status == 429:
        text = f"OSS is throttling calls about {place}; call less often or ask for a higher quota"
        return ServiceUnavailable(text, **facts, throttled=True)
    if error.status in {500, 502, 503, 504} or error.status < 0:
        return ServiceUnavailable(f"OSS could not answer for {place}; try again later", **facts)
    if facts["code"] == "NoSuchBucket":
        text = f"there is no bucket for {place}; create it or correct oss.bucket"
        return ServiceNotFound(text, **facts)
    if error.status == 404:
        return ServiceNotFound(f"there is no {place}", **facts)
    if error.status in {409, 412}:
        return ServiceConflict(f"{place} was changed or created by another writer", **facts)
    said = " ".join((error.message or "no reason given").split()).rstrip(".")
    return ServiceRefused(f"OSS refused {place}: {said}; {_remedy(error.status, facts['code'])}", **facts)


def _remedy(status: int, code: str) -> str:
    if "SecurityToken" in code:
        return "take a new STS token"
    if "Quota" in code or "TooMany" in code or code == "UserDisable":
        return "free some of the quota, ask for more, or settle the account"
    return "check the access key and its RAM policy" if status == 403 else "check the request"


def _info(key: str, result: Any) -> ObjectInfo:
    prefix = "x-oss-meta-"
    metadata = {
        name.lower().removeprefix(prefix): value
        for name, value in result.headers.items()
        if name.lower().startswith(prefix)
    }
    modified = parsedate_to_datetime(result.headers["Last-Modified"])
    size = int(result.headers.get("Content-Length") or 0)
    return ObjectInfo(key, result.etag.strip('"'), size, modified, result.headers.get("Content-Type", ""), metadata)
