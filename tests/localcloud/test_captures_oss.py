"""Every recorded request of the vendors' OSS clients is sent again by them, and is taken."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import alibabacloud_oss_v2 as oss_v2
import oss2
import pytest

from localcloud.credentials import Keyring
from tests.localcloud.conftest import bucket_of, client_of
from tests.localcloud.wiretap import Proof, recordings, wiretap
from tests.servers import LocalCloud

# It records an answer that was written wrong on purpose: no request of its own.
NO_CALL = {"oss2.PutObject_crc_mismatch"}


@pytest.fixture
def proof(cloud: LocalCloud) -> Iterator[Proof]:
    with wiretap(cloud) as tap:
        yield tap


@pytest.fixture
def bucket(proof: Proof) -> oss2.Bucket:
    """A new bucket's client; the bucket is made by the first call of the proof."""
    name = f"proof-{secrets.token_hex(6)}"
    proof.ids[name] = "my-bucket"
    return bucket_of(proof.cloud, name)


def test_oss2(proof: Proof, bucket: oss2.Bucket, cloud: LocalCloud) -> None:
    sends = proof.sends
    standard = oss2.models.BucketCreateConfig(oss2.BUCKET_STORAGE_CLASS_STANDARD)
    sends("oss2.CreateBucket", lambda: bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE, standard))
    plain = {"Content-Type": "text/plain"}
    more = {"x-oss-object-acl": "private", "x-oss-storage-class": "Standard", "x-oss-tagging": "a=b"}
    sends("oss2.PutObject_v4", lambda: bucket.put_object("a/k.txt", b"hello", headers=plain | more))
    older = bucket_of(proof.cloud, bucket.bucket_name, "v1")
    sends("oss2.PutObject_v1", lambda: older.put_object("a/é k.txt", b"hello", headers={**plain, "x-oss-meta-k": "v"}))
    keys = Keyring(cloud.access_key_id, cloud.access_key_secret).issue(900)
    provider = oss2.credentials.StaticCredentialsProvider(
        keys.access_key_id, keys.access_key_secret, keys.security_token
    )
    temporary = oss2.Bucket(
        oss2.ProviderAuthV4(provider), proof.cloud.endpoint, bucket.bucket_name, region=cloud.region
    )
    sends("oss2.STS_put", lambda: temporary.put_object("a", b"hello"))
    got = sends("oss2.GetObject_v4", lambda: bucket.get_object("a/k.txt", byte_range=(0, 4)))
    assert got.read() == b"hello"
    sends("oss2.HeadObject", lambda: bucket.head_object("a/k.txt"))
    sends("oss2.GetObjectMeta", lambda: bucket.get_object_meta("a/k.txt"))
    sends("oss2.AppendObject", lambda: bucket.append_object("log", 0, b"hello"))
    sends("oss2.PutObjectACL", lambda: bucket.put_object_acl("a", oss2.OBJECT_ACL_PRIVATE))
    assert sends("oss2.GetObjectACL", lambda: bucket.get_object_acl("a")).acl == "private"
    rule = oss2.models.TaggingRule()
    rule.add("k", "v")
    sends("oss2.PutObjectTagging", lambda: bucket.put_object_tagging("a", oss2.models.Tagging(rule)))
    tags = sends("oss2.GetObjectTagging", lambda: bucket.get_object_tagging("a"))
    assert dict(tags.tag_set.tagging_rule) == {"k": "v"}
    sends("oss2.GetBucketInfo", bucket.get_bucket_info)
    page = sends("oss2.ListObjectsV1", lambda: bucket.list_objects(prefix="a/"))
    assert [entry.key for entry in page.object_list] == ["a/k.txt", "a/é k.txt"]
    token = bucket.list_objects_v2(max_keys=1).next_continuation_token
    proof.ids[token] = "T0"
    sends("oss2.ListObjectsV2", lambda: bucket.list_objects_v2("a/", "/", continuation_token=token))
    service = oss2.Service(bucket.auth, proof.cloud.endpoint, region=cloud.region)
    assert bucket.bucket_name in [each.name for each in sends("oss2.ListBuckets", service.list_buckets).buckets]
    copies_and_parts(proof, bucket, cloud)
    sends("oss2.DeleteMultipleObjects", lambda: bucket.batch_delete_objects(["a", "b&c"]))
    sends("oss2.DeleteObject", lambda: bucket.delete_object("a"))
    assert proof.proven >= recordings("oss2") - NO_CALL


def copies_and_parts(proof: Proof, bucket: oss2.Bucket, cloud: LocalCloud) -> None:
    source = bucket_of(cloud, f"source-{secrets.token_hex(4)}")
    source.create_bucket()
    source.put_object("a/é.txt", b"copied")
    source.put_object("k", b"0123456789 and more")
    proof.ids[source.bucket_name] = "src-b"
    sends = proof.sends
    sends("oss2.CopyObject", lambda: bucket.copy_object(source.bucket_name, "a/é.txt", "dst"))
    assert bucket.get_object("dst").read() == b"copied"
    upload = sends("oss2.InitiateMultipartUpload", lambda: bucket.init_multipart_upload("big")).upload_id
    proof.ids[upload] = "UID"
    part = sends("oss2.UploadPart", lambda: bucket.upload_part("big", upload, 1, b"hello"))
    sends(
        "oss2.UploadPartCopy",
        lambda: bucket.upload_part_copy(source.bucket_name, "k", (0, 9), "big", upload, 2),
    )
    assert [each.part_number for each in sends("oss2.ListParts", lambda: bucket.list_parts("big", upload)).parts] == [
        1,
        2,
    ]
    listed = sends("oss2.ListMultipartUploads", bucket.list_multipart_uploads)
    assert [each.upload_id for each in listed.upload_list] == [upload]
    parts = [oss2.models.PartInfo(1, part.etag)]
    proof.ids[part.etag] = "p1"
    sends("oss2.CompleteMultipartUpload", lambda: bucket.complete_multipart_upload("big", upload, parts))
    assert bucket.get_object("big").read() == b"hello"
    other = bucket.init_multipart_upload("big").upload_id
    proof.ids[other] = "UID"
    sends("oss2.AbortMultipartUpload", lambda: bucket.abort_multipart_upload("big", other))


def test_oss_v2(proof: Proof, bucket: oss2.Bucket) -> None:
    bucket.create_bucket()
    name = bucket.bucket_name
    put = oss_v2.PutObjectRequest(bucket=name, key="a/k.txt", body=b"hello", content_type="text/plain")
    proof.sends("oss-v2.PutObject_default", lambda: client_of(proof.cloud).put_object(put))
    path_style = client_of(proof.cloud, use_path_style=True)
    proof.sends("oss-v2.PutObject_pathstyle", lambda: path_style.put_object(put))
    asked = oss_v2.ListObjectsV2Request(bucket=name, prefix="a/")
    page = proof.sends("oss-v2.ListObjectsV2", lambda: path_style.list_objects_v2(asked))
    assert [entry.key for entry in page.contents] == ["a/k.txt"]
    assert proof.proven >= recordings("oss-v2")
