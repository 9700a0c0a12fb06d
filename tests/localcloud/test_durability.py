"""What was answered is there after a crash; what was not is absent or whole."""

from __future__ import annotations

import threading
from pathlib import Path

import oss2
import pytest

from localcloud.oss.store import Store
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud, local_cloud


def body_of(key: str, version: int) -> bytes:
    return f"{key} {version} ".encode() * 20_000


class Writer(threading.Thread):
    """Overwrites a few keys, over and over, and remembers what was answered."""

    def __init__(self, cloud: LocalCloud, name: str) -> None:
        super().__init__()
        self.bucket = bucket_of(cloud, "durable")
        self.keys = [f"{name}-{number}" for number in range(3)]
        self.answered: dict[str, int] = {}
        self.tried: dict[str, int] = {}
        self.enough = threading.Event()

    def run(self) -> None:
        version = 0
        while True:
            version += 1
            for key in self.keys:
                self.tried[key] = version
                try:
                    self.bucket.put_object(key, body_of(key, version))
                except oss2.exceptions.RequestError:
                    self.enough.set()
                    return
                self.answered[key] = version
            if version >= 3:
                self.enough.set()


def test_a_killed_server_keeps_every_object_that_it_answered_for(tmp_path: Path) -> None:
    for turn in range(3):
        with local_cloud(tmp_path) as cloud:
            bucket_of(cloud, "durable").create_bucket()
            writers = [Writer(cloud, f"turn{turn}-writer{number}") for number in range(4)]
            for writer in writers:
                writer.start()
            for writer in writers:
                assert writer.enough.wait(60)
            cloud.kill()
            for writer in writers:
                writer.join(60)
        with local_cloud(tmp_path) as cloud:
            bucket = bucket_of(cloud, "durable")
            for writer in writers:
                for key, version in writer.answered.items():
                    kept = bucket.get_object(key).read()
                    assert kept in {body_of(key, later) for later in range(version, writer.tried[key] + 1)}
            listed = [entry.key for entry in oss2.ObjectIterator(bucket, max_keys=1000)]
            assert {key for writer in writers for key in writer.answered} <= set(listed)
        blobs = [path for path in (tmp_path / "oss" / "blobs").glob("??/*") if path.is_file()]
        assert len(blobs) == len(listed)


def test_uploads_parts_and_credentials_survive_a_restart(tmp_path: Path) -> None:
    with local_cloud(tmp_path) as cloud:
        bucket = bucket_of(cloud, "durable")
        bucket.create_bucket()
        upload = bucket.init_multipart_upload("big").upload_id
        part = bucket.upload_part("big", upload, 1, b"part one")
    with local_cloud(tmp_path) as cloud:
        bucket = bucket_of(cloud, "durable")
        bucket.complete_multipart_upload("big", upload, [oss2.models.PartInfo(1, part.etag)])
        assert bucket.get_object("big").read() == b"part one"


def test_two_processes_cannot_open_one_store(tmp_path: Path) -> None:
    first = Store(tmp_path)
    with pytest.raises(RuntimeError, match="Another process serves"):
        Store(tmp_path)
    assert first.blobs
