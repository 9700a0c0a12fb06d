"""The OSS client against the local OSS, which checks signatures, CRC-64 and conditions as the real one does."""

from __future__ import annotations

import io
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from searchloom.cloud.oss import MULTIPART_FROM, READ_AHEAD, Oss
from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Oss as OssSettings
from tests.cloud.recording import Answer, Recorder
from tests.localcloud.wiretap import wiretap
from tests.servers import LocalCloud, local_cloud


def client(cloud: LocalCloud, bucket: str, **changes: object) -> Oss:
    return Oss(
        OssSettings(
            endpoint=cloud.endpoint,
            region=cloud.region,
            bucket=bucket,
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
        ).model_copy(update=changes)
    )


@pytest.fixture
def oss(cloud: LocalCloud) -> Oss:
    made = client(cloud, f"test-{secrets.token_hex(6)}")
    made.ensure_bucket()
    return made


def test_a_bucket_that_exists_is_left_alone(oss: Oss) -> None:
    oss.put("a", b"1")
    oss.ensure_bucket()
    assert oss.get("a") == b"1"


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
    lambda key: not key.startswith(("/", "\\")) and len(key.encode()) <= 1023 and key not in {".", ".."}
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(key="raw/a b+c%20d?e=f&g#h/ü/文件~.txt", data=b"")
@example(key="a//b/./c", data=b"\x00\xff")
@given(key=keys, data=st.binary(max_size=2000))
def test_what_goes_in_comes_out(oss: Oss, key: str, data: bytes) -> None:
    etag = oss.put(key, data, metadata={"tenant": "acme"})
    found, info = oss.get_with_info(key)
    assert found == data
    assert (info.etag, info.size, info.metadata["tenant"]) == (etag, len(data), "acme")
    assert oss.exists(key)
    assert key in [entry.key for entry in oss.list(key)]
    oss.delete(key)
    assert not oss.exists(key)


def test_a_listing_of_several_pages_is_whole_and_in_the_order_of_the_keys(oss: Oss) -> None:
    names = [f"many/{number:04d}" for number in range(1105)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: oss.put(name, b"x"), names))
    oss.put("other/0", b"x")
    assert [entry.key for entry in oss.list("many/")] == names
    oss.delete_many(names)
    assert list(oss.list("many/")) == []
    assert oss.exists("other/0")


def test_one_of_several_writers_wins_and_the_others_hear_of_it(oss: Oss) -> None:
    def write(number: int) -> bool:
        try:
            oss.put("LEASE", str(number).encode(), forbid_overwrite=True)
        except ServiceConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert sum(won) == 1
    assert oss.get("LEASE") == str(won.index(True)).encode()


def test_files_go_up_and_come_down_in_parts(oss: Oss, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "below" / "target"
    source.write_bytes(secrets.token_bytes(MULTIPART_FROM + 1_234_567))
    oss.upload(source, "big", metadata={"tenant": "acme"}, content_type="text/plain")
    oss.download("big", target)
    assert target.read_bytes() == source.read_bytes()
    info = oss.head("big")
    assert (info.size, info.content_type, info.metadata["tenant"]) == (source.stat().st_size, "text/plain", "acme")


def test_json_round_trip_and_seekable_file(oss: Oss) -> None:
    oss.put_json("r/1.json", {"b": [1, None], "a": "ü"})
    assert oss.get_json("r/1.json") == {"a": "ü", "b": [1, None]}
    with oss.open("r/1.json") as file:
        file.seek(-1, 2)
        assert file.read() == b"}"


def test_an_object_is_read_by_ranges_like_a_file(oss: Oss) -> None:
    data = secrets.token_bytes(2 * READ_AHEAD + 12_345)
    oss.put("big", data)
    oss.put("empty", b"")
    with oss.open("big") as file, io.BytesIO(data) as plain:
        for whence, offset, size in [(0, 5, 10), (2, -7, 99), (0, READ_AHEAD - 3, 6), (1, 1000, READ_AHEAD), (2, 9, 5)]:
            assert file.seek(offset, whence) == plain.seek(offset, whence)
            assert file.read(size) == plain.read(size)
            assert file.tell() == plain.tell()
        file.seek(0)
        assert file.read() == data
    with oss.open("empty") as file:
        assert file.read() == b""


def test_opening_an_object_fetches_only_what_is_read(oss: Oss, cloud: LocalCloud) -> None:
    oss.put("a", bytes(READ_AHEAD) + b"xxx" + bytes(2 * READ_AHEAD))
    with wiretap(cloud) as tap:
        with client(tap.cloud, oss.bucket_name).open("a") as file:
            file.seek(READ_AHEAD)
            assert file.read(3) == b"xxx"
        head, read = tap.seen
    assert (head.method, read.headers["range"]) == ("HEAD", f"bytes={READ_AHEAD}-{2 * READ_AHEAD - 1}")


def test_an_open_object_that_is_replaced_is_said(oss: Oss) -> None:
    oss.put("a", secrets.token_bytes(READ_AHEAD + 10))
    with oss.open("a") as file:
        file.read(10)
        oss.put("a", b"other")
        with pytest.raises(ServiceConflict, match="changed"):
            file.read()


@pytest.mark.slow
def test_ten_thousand_objects_are_listed_right(oss: Oss) -> None:
    names = {f"many/{number % 97:02d}/{number}" for number in range(10_000)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: oss.put(name, b"x"), names))
    listed = [entry.key for entry in oss.list("many/")]
    assert listed == sorted(names)
    assert [entry.key for entry in oss.list("many/42/")] == [name for name in listed if name.startswith("many/42/")]


def test_concurrent_writers_leave_one_whole_object(oss: Oss, tmp_path: Path) -> None:
    sources = []
    for number in range(4):
        source = tmp_path / str(number)
        # Half of them go up in parts.
        source.write_bytes(bytes([number]) * (MULTIPART_FROM + 1000 if number % 2 else 200_000))
        sources.append(source)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda source: oss.upload(source, "one"), sources))
    assert oss.get("one") in [source.read_bytes() for source in sources]


def test_what_is_missing_is_not_found(oss: Oss, tmp_path: Path) -> None:
    for call in (oss.get, oss.head, oss.get_json, oss.open):
        with pytest.raises(ServiceNotFound, match="nowhere"):
            call("nowhere")
    with pytest.raises(ServiceNotFound):
        oss.download("nowhere", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_a_wrong_secret_is_refused_with_a_remedy(cloud: LocalCloud) -> None:
    with pytest.raises(ServiceRefused, match="check the access key") as caught:
        client(cloud, "some-bucket", access_key_secret=SecretStr("wrong-one")).get("a")
    assert caught.value.code == "SignatureDoesNotMatch"
    assert caught.value.request_id
    assert "wrong-one" not in str(caught.value)


def test_an_unknown_key_and_a_missing_bucket(cloud: LocalCloud) -> None:
    with pytest.raises(ServiceRefused):
        client(cloud, "some-bucket", access_key_id="somebody-else").get("a")
    with pytest.raises(ServiceNotFound) as caught:
        client(cloud, "there-is-no-such-bucket").put("a", b"1")
    assert caught.value.code == "NoSuchBucket"


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        oss = Oss(OssSettings(endpoint=endpoint, access_key_id="a", access_key_secret=SecretStr("b")))
        with pytest.raises(ServiceUnavailable) as caught:
            oss.get("a")
    assert caught.value.endpoint == endpoint


def test_a_cut_connection_and_a_busy_service_are_tried_again(server: Recorder) -> None:
    oss = Oss(OssSettings(endpoint=server.url, access_key_id="a", access_key_secret=SecretStr("b")))
    busy = Answer(503, b"<Error><Code>ServiceUnavailable</Code></Error>", {"Content-Type": "application/xml"})
    server.will(busy, Answer(body=b"half", cut=True), Answer(body=b"whole", headers={"ETag": '"x"'}))
    assert oss.get("a") == b"whole"
    assert len(server.requests) == 3


def test_what_is_tried_again_is_logged_without_its_data(server: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    oss = Oss(OssSettings(endpoint=server.url, access_key_id="a", access_key_secret=SecretStr("b")))
    server.will(Answer(503, b""))
    with pytest.raises(ServiceUnavailable):
        oss.put("a", b"the document")
    assert "is called again" in caplog.text
    assert "the document" not in caplog.text


def write_until_it_dies(oss: Oss, written: list[str]) -> None:
    for number in range(100_000):
        oss.put(f"k/{number}", str(number).encode() * 100)
        written.append(f"k/{number}")


def test_a_crash_of_the_service_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    secret = secrets.token_hex(8)
    written: list[str] = []
    with local_cloud(tmp_path, access_key_secret=secret) as cloud:
        oss = client(cloud, "crash")
        oss.ensure_bucket()
        threading.Timer(0.3, cloud.kill).start()
        with pytest.raises(ServiceUnavailable):
            write_until_it_dies(oss, written)
    with local_cloud(tmp_path, access_key_secret=secret) as cloud:
        oss = client(cloud, "crash")
        assert {entry.key for entry in oss.list("k/")} >= set(written)
        assert oss.get(written[-1]) == written[-1].removeprefix("k/").encode() * 100
