"""Ranges, conditions, copies, appends, tags, ACLs, buckets and limits."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets

import oss2
import pytest
from oss2.models import Tagging, TaggingRule

from tests.localcloud.conftest import bucket_of
from tests.localcloud.test_signatures import refusal
from tests.servers import LocalCloud

DATA = bytes(range(256)) * 4


@pytest.mark.parametrize(
    ("header", "standard", "status", "expected"),
    [
        ("bytes=0-9", False, 206, DATA[:10]),
        ("bytes=1000-", False, 206, DATA[1000:]),
        ("bytes=-5", False, 206, DATA[-5:]),
        ("bytes=1000-2000", False, 200, DATA),
        ("bytes=1024-", False, 200, DATA),
        ("bytes=9-1", False, 200, DATA),
        ("bytes=0-1,3-4", False, 200, DATA),
        ("bytes=1000-2000", True, 206, DATA[1000:]),
        ("bytes=-5000", True, 206, DATA),
        ("bytes=1024-", True, 416, None),
    ],
)
def test_ranges_are_answered_as_documented(
    bucket: oss2.Bucket, header: str, standard: bool, status: int, expected: bytes | None
) -> None:
    bucket.put_object("key", DATA)
    headers = {"Range": header} | ({"x-oss-range-behavior": "standard"} if standard else {})
    if expected is None:
        assert refusal(bucket.get_object, "key", headers=headers).status == status
        return
    got = bucket.get_object("key", headers=headers)
    assert (got.status, got.read()) == (status, expected)
    assert ("Content-Range" in got.headers) == (status == 206)


def test_conditions_are_held_against_etag_and_time(bucket: oss2.Bucket) -> None:
    etag = bucket.put_object("key", DATA).etag
    past, future = "Thu, 01 Jan 2015 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT"
    for headers, status in [
        ({"If-Match": etag}, 200),
        ({"If-Match": '"0"'}, 412),
        ({"If-None-Match": f'"{etag}"'}, 304),
        ({"If-None-Match": "0"}, 200),
        ({"If-Modified-Since": past}, 200),
        ({"If-Modified-Since": future}, 304),
        ({"If-Unmodified-Since": past}, 412),
        ({"If-Unmodified-Since": future}, 200),
    ]:
        if status == 200:
            assert bucket.get_object("key", headers=headers).read() == DATA
        else:
            assert refusal(bucket.get_object, "key", headers=headers).status == status, headers


def test_a_copy_has_the_bytes_and_the_metadata_or_new_metadata(bucket: oss2.Bucket) -> None:
    source = "目录/源 1+2.bin"
    bucket.put_object(source, DATA, headers={"x-oss-meta-a": "1", "x-oss-tagging": "k=v"})
    bucket.copy_object(bucket.bucket_name, source, "copy")
    replaced = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-b": "2", "x-oss-tagging-directive": "Replace"}
    bucket.copy_object(bucket.bucket_name, source, "other", headers=replaced)
    bucket.delete_object(source)
    assert bucket.get_object("copy").read() == bucket.get_object("other").read() == DATA
    first, second = bucket.head_object("copy"), bucket.head_object("other")
    assert (first.headers.get("x-oss-meta-a"), first.headers.get("x-oss-tagging-count")) == ("1", "1")
    assert "x-oss-meta-a" not in second.headers
    assert (second.headers.get("x-oss-meta-b"), second.headers.get("x-oss-tagging-count")) == ("2", None)
    conditional = {"x-oss-copy-source-if-match": "0"}
    assert refusal(bucket.copy_object, bucket.bucket_name, "copy", "x", headers=conditional).status == 412
    assert refusal(bucket.copy_object, bucket.bucket_name, "gone", "x").code == "NoSuchKey"


def test_appends_go_to_the_end_and_nowhere_else(bucket: oss2.Bucket) -> None:
    first = bucket.append_object("log", 0, b"abc", init_crc=0)
    second = bucket.append_object("log", first.next_position, b"defg", init_crc=first.crc)
    assert (second.next_position, bucket.get_object("log").read()) == (7, b"abcdefg")
    assert bucket.get_object("log", byte_range=(2, 4)).read() == b"cde"
    error = refusal(bucket.append_object, "log", 3, b"x")
    assert (error.code, error.headers["x-oss-next-append-position"]) == ("PositionNotEqualToLength", "7")
    bucket.put_object("plain", b"x")
    assert refusal(bucket.append_object, "plain", 1, b"x").code == "ObjectNotAppendable"
    assert bucket.head_object("log").object_type == "Appendable"


def test_a_wrong_content_md5_is_refused_and_leaves_nothing(bucket: oss2.Bucket) -> None:
    good = base64.b64encode(hashlib.md5(DATA).digest()).decode()
    bucket.put_object("key", DATA, headers={"Content-MD5": good})
    for wrong in (base64.b64encode(hashlib.md5(b"").digest()).decode(), "nonsense"):
        assert refusal(bucket.put_object, "bad", DATA, headers={"Content-MD5": wrong}).code == "InvalidDigest"
    assert not bucket.object_exists("bad")


def test_tags_and_acls_are_kept(bucket: oss2.Bucket) -> None:
    bucket.put_object("key", DATA)
    rule = TaggingRule()
    rule.add("k 1", "v/1")
    bucket.put_object_tagging("key", Tagging(rule))
    assert bucket.get_object_tagging("key").tag_set.tagging_rule == {"k 1": "v/1"}
    bucket.delete_object_tagging("key")
    assert bucket.get_object_tagging("key").tag_set.tagging_rule == {}
    assert bucket.get_object_acl("key").acl == "default"
    bucket.put_object_acl("key", "public-read")
    assert bucket.get_object_acl("key").acl == "public-read"
    eleven = "&".join(f"k{number}=v" for number in range(11))
    assert refusal(bucket.put_object, "x", b"", headers={"x-oss-tagging": eleven}).code == "InvalidTag"


def test_buckets_are_made_listed_described_and_deleted(cloud: LocalCloud) -> None:
    stem = f"list-{secrets.token_hex(4)}"
    names = sorted(f"{stem}-{number}" for number in range(5))
    for name in names:
        bucket_of(cloud, name).create_bucket()
    service = oss2.Service(bucket_of(cloud, stem).auth, cloud.endpoint, region=cloud.region)
    assert [found.name for found in oss2.BucketIterator(service, prefix=stem, max_keys=2)] == names
    bucket = bucket_of(cloud, names[0])
    assert bucket.get_bucket_location().location == f"oss-{cloud.region}"
    bucket.put_object("key", DATA)
    info, stat = bucket.get_bucket_info(), bucket.get_bucket_stat()
    assert (info.name, info.acl.grant) == (names[0], "private")
    assert (stat.object_count, stat.storage_size_in_bytes) == (1, len(DATA))
    assert refusal(bucket.delete_bucket).code == "BucketNotEmpty"
    bucket.delete_object("key")
    bucket.delete_bucket()
    assert refusal(bucket.get_bucket_info).code == "NoSuchBucket"
    assert refusal(bucket.put_object, "key", b"").code == "NoSuchBucket"


@pytest.mark.parametrize("key", ["/slash", "\\backslash", "x" * 1024])
def test_keys_that_oss_forbids_are_refused(bucket: oss2.Bucket, key: str) -> None:
    assert refusal(bucket.put_object, key, b"").code == "InvalidObjectName"


def test_sub_resources_that_are_not_there_do_no_harm(bucket: oss2.Bucket) -> None:
    bucket.put_object("key", DATA)
    assert refusal(bucket.get_bucket_cors).status == 501
    assert refusal(bucket.get_bucket_website).status == 501
    assert refusal(bucket.list_objects, max_keys=1001).code == "InvalidArgument"
    assert bucket.get_object("key").read() == DATA


def test_a_thousand_keys_are_deleted_at_once_and_not_one_more(bucket: oss2.Bucket) -> None:
    keys = [f"k{number}&<>\x0c" for number in range(1000)]
    bucket.put_object(keys[7], b"x")
    assert bucket.batch_delete_objects(keys).deleted_keys == keys
    assert not bucket.object_exists(keys[7])
    assert refusal(bucket.batch_delete_objects, [*keys, "more"]).code == "MalformedXML"


def test_multipart_parts_are_listed_copied_and_joined(bucket: oss2.Bucket) -> None:
    parts = [os.urandom(100 * 1024), os.urandom(150 * 1024), b"tail"]
    bucket.put_object("source", b"__" + parts[1] + b"__")
    upload = bucket.init_multipart_upload("big", headers={"Content-Type": "text/x"}).upload_id
    bucket.upload_part("big", upload, 1, b"to be replaced")
    bucket.upload_part("big", upload, 1, parts[0])
    bucket.upload_part_copy(bucket.bucket_name, "source", (2, len(parts[1]) + 1), "big", upload, 20)
    bucket.upload_part("big", upload, 10000, parts[2])
    listed = bucket.list_parts("big", upload).parts
    assert [(part.part_number, part.size) for part in listed] == [(1, 102400), (20, 153600), (10000, 4)]
    assert [part.part_number for part in oss2.PartIterator(bucket, "big", upload, max_parts=1)] == [1, 20, 10000]
    done = bucket.complete_multipart_upload("big", upload, listed)
    got = bucket.get_object("big")
    assert got.read() == b"".join(parts)
    assert (got.client_crc, got.content_type) == (done.crc, "text/x")
    digest = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest().upper()
    assert done.etag == f"{digest}-3"
    middle = len(parts[0])
    assert bucket.get_object("big", byte_range=(middle - 5, middle + 5)).read() == b"".join(parts)[middle - 5 :][:11]
    assert refusal(bucket.list_parts, "big", upload).code == "NoSuchUpload"


def test_multipart_refuses_what_the_documentation_forbids(bucket: oss2.Bucket) -> None:
    upload = bucket.init_multipart_upload("big").upload_id
    one, two = (bucket.upload_part("big", upload, number, b"small") for number in (1, 2))
    parts = [oss2.models.PartInfo(1, one.etag), oss2.models.PartInfo(2, two.etag)]
    complete = bucket.complete_multipart_upload
    assert refusal(complete, "big", upload, parts).code == "EntityTooSmall"
    assert refusal(complete, "big", upload, [oss2.models.PartInfo(1, "0" * 32)]).code == "InvalidPart"
    assert refusal(complete, "big", upload, [oss2.models.PartInfo(3, one.etag)]).code == "InvalidPart"
    assert refusal(bucket.upload_part, "big", upload, 10001, b"x").code == "InvalidArgument"
    assert refusal(bucket.upload_part, "other", upload, 1, b"x").code == "NoSuchUpload"
    bucket.put_object("big", b"taken")
    forbid = {"x-oss-forbid-overwrite": "true"}
    assert refusal(complete, "big", upload, parts[:1], headers=forbid).code == "FileAlreadyExists"
    bucket.abort_multipart_upload("big", upload)
    assert refusal(bucket.abort_multipart_upload, "big", upload).code == "NoSuchUpload"
    assert bucket.get_object("big").read() == b"taken"


def test_complete_all_needs_no_list(bucket: oss2.Bucket) -> None:
    upload = bucket.init_multipart_upload("big").upload_id
    bucket.upload_part("big", upload, 1, b"only")
    bucket.complete_multipart_upload("big", upload, None, headers={"x-oss-complete-all": "yes"})
    assert bucket.get_object("big").read() == b"only"


def test_uploads_under_way_are_listed_in_pages(bucket: oss2.Bucket) -> None:
    keys = ["a/1", "a/1", "a/2", "b 中", "c"]
    begun = sorted((key, bucket.init_multipart_upload(key).upload_id) for key in keys)
    listed = [(found.key, found.upload_id) for found in oss2.MultipartUploadIterator(bucket, max_uploads=1)]
    assert listed == begun
    page = bucket.list_multipart_uploads(delimiter="/")
    assert ([found.key for found in page.upload_list], page.prefix_list) == (["b 中", "c"], ["a/"])
