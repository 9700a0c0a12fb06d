"""Links, archives, sequential uploads, compressed answers, callbacks and live channels, as oss2 asks for them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets

import oss2
import pytest
import requests
from oss2.models import LiveChannelInfo, LiveChannelInfoTarget, RestoreConfiguration, RestoreJobParameters

from tests.cloud.recording import Answer, Recorder, recorder
from tests.localcloud.acs_clients import wait_for
from tests.localcloud.test_signatures import refusal

TARGET = "dir/文件 a+b.txt"
ARCHIVED = {"x-oss-storage-class": "Archive"}


def test_a_link_is_read_through_and_says_where_it_leads(any_bucket: oss2.Bucket) -> None:
    any_bucket.put_object(TARGET, b"hello", headers={"Content-Type": "text/odd"})
    any_bucket.put_symlink(TARGET, "link", headers={"x-oss-meta-of": "link", "x-oss-tagging": "a=1"})
    got = any_bucket.get_object("link")
    assert (got.read(), got.object_type, got.headers["x-oss-meta-of"]) == (b"hello", "Symlink", "link")
    assert any_bucket.head_object("link").content_length == 5
    assert any_bucket.get_symlink("link").target_key == TARGET
    assert dict(any_bucket.get_object_tagging("link").tag_set.tagging_rule) == {"a": "1"}
    any_bucket.copy_object(any_bucket.bucket_name, "link", "copy")
    assert any_bucket.get_symlink("copy").target_key == TARGET
    any_bucket.put_object("link", b"itself")
    assert any_bucket.get_object("link").read() == b"itself"
    assert refusal(any_bucket.get_symlink, "link").code == "NotSymlink"


def test_a_link_to_nothing_or_to_a_link_cannot_be_read(bucket: oss2.Bucket) -> None:
    bucket.put_symlink("nothing", "one")
    bucket.put_symlink("one", "two")
    assert refusal(bucket.get_object, "one").code == "SymlinkTargetNotExist"
    assert refusal(bucket.head_object, "two").status == 400
    bucket.put_object("nothing", b"there now")
    assert bucket.get_object("one").read() == b"there now"


def test_an_archived_object_is_read_only_after_it_was_restored(bucket: oss2.Bucket) -> None:
    bucket.put_object("old", b"data", headers=ARCHIVED)
    assert refusal(bucket.get_object, "old").code == "InvalidObjectState"
    assert refusal(bucket.copy_object, bucket.bucket_name, "old", "copy").code == "InvalidObjectState"
    assert bucket.restore_object("old").status == 202
    assert refusal(bucket.restore_object, "old").code == "RestoreAlreadyInProgress"
    assert bucket.head_object("old").headers["x-oss-restore"] == 'ongoing-request="true"'
    assert 'ongoing-request="true"' in bucket.list_objects_v2().object_list[0].restore_info
    restored = wait_for(
        lambda: bucket.head_object("old").headers["x-oss-restore"], lambda state: "false" in state, seconds=30
    )
    assert "expiry-date=" in restored
    assert bucket.get_object("old").read() == b"data"
    assert bucket.restore_object("old").status == 200
    bucket.put_object("old", b"new", headers=ARCHIVED)
    assert refusal(bucket.get_object, "old").code == "InvalidObjectState"


def test_what_cannot_be_restored_is_refused(bucket: oss2.Bucket) -> None:
    bucket.put_object("standard", b"data")
    assert refusal(bucket.restore_object, "standard").code == "OperationNotSupported"
    bucket.put_object("archive", b"data", headers=ARCHIVED)
    bulk = RestoreConfiguration(days=2, job_parameters=RestoreJobParameters("Bulk"))
    assert refusal(bucket.restore_object, "archive", input=bulk).code == "MalformedXML"
    bucket.put_object("cold", b"data", headers={"x-oss-storage-class": "ColdArchive"})
    wrong = RestoreConfiguration(days=2, job_parameters=RestoreJobParameters("Soon"))
    assert refusal(bucket.restore_object, "cold", input=wrong).code == "InvalidArgument"
    restored = bucket.restore_object("cold", input=bulk)
    assert restored.resp.headers["x-oss-object-restore-priority"] == "Bulk"


def test_the_parts_of_a_sequential_upload_come_in_order_and_have_one_md5(bucket: oss2.Bucket) -> None:
    parts = [secrets.token_bytes(150_000), secrets.token_bytes(110_001), b"end"]
    upload = bucket.init_multipart_upload("key", params={"sequential": ""}).upload_id
    sent = [oss2.models.PartInfo(1, bucket.upload_part("key", upload, 1, parts[0]).etag)]
    assert refusal(bucket.upload_part, "key", upload, 3, parts[2]).code == "PartNotSequential"
    for number in (2, 3):
        etag = bucket.upload_part("key", upload, number, parts[number - 1]).etag
        sent.append(oss2.models.PartInfo(number, etag))
    bucket.complete_multipart_upload("key", upload, sent)
    digest = base64.b64encode(hashlib.md5(b"".join(parts)).digest()).decode()
    got = bucket.get_object("key")
    assert (got.read(), got.headers["Content-MD5"]) == (b"".join(parts), digest)


def test_text_comes_compressed_to_who_can_unpack_it(bucket: oss2.Bucket) -> None:
    text = b"the same line again\n" * 100_000
    bucket.put_object("text", text, headers={"Content-Type": "text/plain"})
    bucket.put_object("bytes", text, headers={"Content-Type": "application/octet-stream"})
    url = bucket.sign_url("GET", "text", 60)
    packed = requests.get(url, headers={"Accept-Encoding": "gzip"}, timeout=10)
    assert (packed.content, packed.headers["Content-Encoding"]) == (text, "gzip")
    assert "Content-Length" not in packed.headers
    assert "Content-Encoding" not in requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=10).headers
    ranged = requests.get(url, headers={"Accept-Encoding": "gzip", "Range": "bytes=0-9"}, timeout=10)
    assert (ranged.status_code, ranged.content) == (206, text[:10])
    plain = requests.get(bucket.sign_url("GET", "bytes", 60), headers={"Accept-Encoding": "gzip"}, timeout=10)
    assert (plain.content, "Content-Encoding" in plain.headers) == (text, False)


def callback(server: Recorder, **changes: str) -> dict[str, str]:
    wish = {
        "callbackUrl": f"{server.url}/uploaded",
        "callbackBody": "bucket=${bucket}&key=${object}&size=${size}&own=${x:own}",
    }
    own = base64.b64encode(json.dumps({"x:own": "a&b"}).encode()).decode()
    return {"x-oss-callback": base64.b64encode(json.dumps(wish | changes).encode()).decode(), "x-oss-callback-var": own}


def test_the_answer_of_the_callback_is_the_answer_to_the_upload(bucket: oss2.Bucket) -> None:
    with recorder() as server:
        server.will(Answer(body={"seen": True}))
        put = bucket.put_object("a b", b"hello", headers=callback(server))
        assert json.loads(put.resp.read()) == {"seen": True}
        assert server.only.body == f"bucket={bucket.bucket_name}&key=a%20b&size=5&own=a%26b"
        server.will(Answer(status=500))
        assert bucket.put_object("failed", b"x", headers=callback(server)).status == 203
    assert bucket.get_object("failed").read() == b"x"
    assert refusal(bucket.put_object, "bad", b"x", headers={"x-oss-callback": "%%"}).code == "InvalidArgument"
    assert not bucket.object_exists("bad")


def test_live_channels_are_kept_and_listed_in_pages(bucket: oss2.Bucket) -> None:
    names = sorted(f"ch-{secrets.token_hex(4)}" for _ in range(7))
    for name in names:
        info = LiveChannelInfo(description=f"of {name}", target=LiveChannelInfoTarget(playlist_name="list.m3u8"))
        made = bucket.create_live_channel(name, info)
        assert made.publish_url.startswith("rtmp://")
    assert [found.name for found in oss2.LiveChannelIterator(bucket, "ch-", max_keys=3)] == names
    bucket.put_live_channel_status(names[0], "disabled")
    found = bucket.get_live_channel(names[0])
    assert (found.status, found.description, found.target.playlist_name) == ("disabled", f"of {names[0]}", "list.m3u8")
    bucket.delete_live_channel(names[0])
    with pytest.raises(oss2.exceptions.NoSuchLiveChannel):
        bucket.get_live_channel(names[0])


def test_a_url_signed_with_v2_ends(bucket: oss2.Bucket) -> None:
    auth = oss2.AuthV2(bucket.auth.credentials_provider.get_credentials().access_key_id, "wrong")
    stranger = oss2.Bucket(auth, bucket.endpoint, bucket.bucket_name)
    assert "SignatureDoesNotMatch" in requests.get(stranger.sign_url("GET", "key", 60), timeout=10).text
    assert "expired" in requests.get(stranger.sign_url("GET", "key", -60), timeout=10).text
