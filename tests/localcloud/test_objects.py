"""Objects, as the vendors' clients put and get them."""

from __future__ import annotations

import hashlib
import os

import alibabacloud_oss_v2 as oss_v2
import oss2
import pytest
import requests

ODD_KEYS = [
    "plain.txt",
    "a b+c&d=e%2F?.txt",
    "a//b/",
    "..",
    "a/../b",
    "./x",
    "中文/文件 😀.txt",
    "x" * 1023,
    "~!@#$^*()'<>|\\\"",
    "tab\tnew\nline",
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_legal_key_comes_back_with_the_same_bytes(any_bucket: oss2.Bucket, key: str) -> None:
    data = os.urandom(1000)
    any_bucket.put_object(f"k{key}"[:1023], data)
    assert any_bucket.get_object(f"k{key}"[:1023]).read() == data
    assert any_bucket.head_object(f"k{key}"[:1023]).content_length == 1000


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 3 * 1024 * 1024 + 7])
def test_bytes_checksums_and_metadata_come_back(any_bucket: oss2.Bucket, size: int) -> None:
    data = os.urandom(size)
    headers = {
        "x-oss-meta-Name": "value",
        "Content-Type": "text/x-log",
        "Cache-Control": "no-store",
        "Expires": "Thu, 01 Dec 2033 16:00:00 GMT",
        "Content-Disposition": "attachment",
        "Content-Encoding": "identity",
    }
    put = any_bucket.put_object("object", data, headers=headers)
    got = any_bucket.get_object("object")
    assert got.read() == data
    assert got.client_crc == got.server_crc == put.crc
    assert put.etag == got.etag == hashlib.md5(data).hexdigest().upper()
    for name, value in headers.items():
        assert got.headers[name] == value


def test_signed_urls_work_for_anyone_who_has_them(any_bucket: oss2.Bucket) -> None:
    url = any_bucket.sign_url("PUT", "dir/signed 1.txt", 60, slash_safe=True)
    assert requests.put(url, data=b"through the URL", timeout=10).status_code == 200
    url = any_bucket.sign_url("GET", "dir/signed 1.txt", 60, params={"response-content-type": "text/odd"})
    answer = requests.get(url, timeout=10)
    assert (answer.content, answer.headers["content-type"]) == (b"through the URL", "text/odd")


def test_the_new_sdk_puts_gets_and_lists(v2_client: oss_v2.Client, bucket: oss2.Bucket) -> None:
    name = bucket.bucket_name
    put = v2_client.put_object(
        oss_v2.PutObjectRequest(bucket=name, key="a/中 k.txt", body=b"hello", metadata={"k": "v"})
    )
    assert put.etag == '"5D41402ABC4B2A76B9719D911017C592"'
    got = v2_client.get_object(oss_v2.GetObjectRequest(bucket=name, key="a/中 k.txt"))
    assert (got.body.read(), dict(got.metadata)) == (b"hello", {"k": "v"})
    page = v2_client.list_objects_v2(oss_v2.ListObjectsV2Request(bucket=name, prefix="a/"))
    assert [entry.key for entry in page.contents] == ["a/中 k.txt"]
    assert v2_client.is_object_exist(name, "a/中 k.txt")
    assert not v2_client.is_object_exist(name, "nothing")
    assert not v2_client.is_bucket_exist("no-such-bucket-here")
    presigned = v2_client.presign(oss_v2.GetObjectRequest(bucket=name, key="a/中 k.txt"))
    assert requests.get(presigned.url, timeout=10).content == b"hello"
