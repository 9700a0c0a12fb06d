"""The spool on the disk: nothing that was taken is lost, whatever is killed, and nothing counts twice."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.errors import ServiceUnavailable
from searchloom.query.events.schema import Record, read_line
from searchloom.query.events.spool import Spool
from searchloom.query.limits import TooMany

NOW = datetime(2026, 5, 4, 23, 59, 58, tzinfo=UTC)


def record(name: str, *, later_s: int = 0, query: str = "x") -> Record:
    return Record(
        event_id=name, time=NOW + timedelta(seconds=later_s), user_id="u", type="click", item_id="d", query=query
    )


def ids(objects: dict[str, bytes]) -> list[str]:
    return sorted(read_line(line).event_id for data in objects.values() for line in data.splitlines())


def test_sealed_files_go_up_by_day_and_away(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    spool = Spool(tmp_path, max_bytes=1_000_000)
    spool.append([record("a").line(), record("b", later_s=5).line()])
    assert spool.upload(objects.__setitem__) == 0  # still open
    spool.seal()
    assert spool.upload(objects.__setitem__) == 2
    assert [key.split("/")[1] for key in sorted(objects)] == ["dt=2026-05-04", "dt=2026-05-05"]
    assert all(key.startswith("events/dt=") and key.endswith(".jsonl") for key in objects)
    assert spool.size == 0
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_fails_leaves_everything_for_the_next(tmp_path: Path) -> None:
    objects: dict[str, bytes] = {}
    spool = Spool(tmp_path, max_bytes=1_000_000)
    spool.append([record("a").line()])
    spool.seal()
    spool.append([record("b").line()])
    spool.seal()

    def fails(key: str, data: bytes) -> None:
        if objects:
            raise ServiceUnavailable("down")
        objects[key] = data

    with pytest.raises(ServiceUnavailable):
        spool.upload(fails)
    assert spool.size > 0
    assert spool.upload(objects.__setitem__) == 1
    assert ids(objects) == ["a", "b"]


def test_a_full_spool_takes_nothing_until_there_is_room(tmp_path: Path) -> None:
    line = record("a").line()
    spool = Spool(tmp_path, max_bytes=3 * len(line))
    spool.append([line] * 3)
    with pytest.raises(TooMany) as refused:
        spool.append([line])
    assert refused.value.retry_after_s > 0
    spool.seal()
    spool.upload(lambda _key, _data: None)
    spool.append([line])


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.query.events.test_spool import record
from searchloom.query.events.spool import Spool
spool = Spool(Path(sys.argv[1]), max_bytes=1_000_000)
spool.append([record("sealed").line()])
spool.seal()
spool.append([record("open-1").line(), record("open-2").line()])
os.write(spool._file, record("half").line()[:40])
print("ready", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_uploaded_by_another(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert ended.stdout.strip() == "ready", ended.stderr
    objects: dict[str, bytes] = {}
    spool = Spool(tmp_path, max_bytes=1_000_000)
    assert {one.event_id for one in spool.records()} == {"sealed", "open-1", "open-2"}
    assert spool.upload(objects.__setitem__) == 3
    assert ids(objects) == ["open-1", "open-2", "sealed"]


def test_nobody_takes_the_file_that_a_living_process_writes(tmp_path: Path) -> None:
    one, other = Spool(tmp_path, max_bytes=1_000_000), Spool(tmp_path, max_bytes=1_000_000)
    one.append([record("a").line()])
    objects: dict[str, bytes] = {}
    assert other.upload(objects.__setitem__) == 0
    one.append([record("b").line()])
    one.seal()
    assert other.upload(objects.__setitem__) == 2


def test_an_upload_that_is_repeated_writes_the_same_objects(tmp_path: Path) -> None:
    first: dict[str, bytes] = {}
    again: dict[str, bytes] = {}
    spool = Spool(tmp_path, max_bytes=1_000_000)
    spool.append([record("a").line(), record("b", later_s=5).line()])
    spool.seal()
    (path,) = tmp_path.iterdir()
    kept = path.read_bytes()
    spool.upload(first.__setitem__)
    path.write_bytes(kept)  # the process was killed after the upload, before it could delete the file
    spool.upload(again.__setitem__)
    assert first == again


def test_a_write_that_fails_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, max_bytes=1_000_000)
    spool.append([record("a").line()])
    real = os.fdatasync

    def full_disk(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full_disk)
    with pytest.raises(OSError, match="space"):
        spool.append([record("b").line()])
    monkeypatch.setattr(os, "fdatasync", real)
    spool.append([record("c").line()])
    assert [one.event_id for one in spool.records()] == ["a", "c"]


@settings(deadline=None)
@given(st.text(max_size=50), st.floats(allow_nan=False, allow_infinity=False) | st.none())
def test_a_line_holds_the_record_whole(query: str, value: float | None) -> None:
    made = record("a", query=query.encode("utf-8", "replace").decode()).model_copy(update={"value": value})
    line = made.line()
    assert line.count(b"\n") == 1
    assert read_line(line) == made
