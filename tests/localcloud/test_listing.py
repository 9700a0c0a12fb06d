"""Listings add up, whatever the keys and the page size."""

from __future__ import annotations

import itertools
import secrets

import oss2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.oss.blobs import Written
from localcloud.oss.listing import list_objects
from localcloud.oss.records import Attributes
from localcloud.oss.store import Store
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud

LEGAL_KEYS = (
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
    | st.text(st.sampled_from("ab/.中"), min_size=1, max_size=12)
).filter(lambda key: key[0] not in "/\\")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store of this module's own."""
    return Store(tmp_path_factory.mktemp("store"))


def folded(keys: set[str], prefix: str, delimiter: str) -> list[str]:
    """What a listing has to show, worked out the slow way."""
    shown = set()
    for key in keys:
        if key.startswith(prefix):
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            shown.add(key if end < 0 else key[: end + len(delimiter)])
    return sorted(shown, key=str.encode)


@given(
    keys=st.sets(LEGAL_KEYS, max_size=12),
    prefix=st.sampled_from(["", "a", "a/", "中"]),
    delimiter=st.sampled_from(["", "/", "a/", "中"]),
    page_size=st.integers(1, 4),
)
@settings(max_examples=200, deadline=None)
def test_pages_add_up_to_every_key_once_in_utf8_order(
    store: Store, keys: set[str], prefix: str, delimiter: str, page_size: int
) -> None:
    bucket = secrets.token_hex(8)
    store.create_bucket(bucket, None, None)
    for key in keys:
        written = Written(blob=secrets.token_hex(16), size=0, md5=bytes(16), crc64=0)
        store.put(bucket, key, written, Attributes())
    found, marker = [], ""
    for _ in itertools.repeat(None, len(keys) + 1):
        page = list_objects(store.database, bucket, prefix=prefix, delimiter=delimiter, marker=marker, limit=page_size)
        assert len(page) <= page_size
        found += sorted([*(entry.key for entry in page.entries), *page.prefixes], key=str.encode)
        marker = page.next_marker
        if not page.truncated:
            break
    assert found == folded(keys, prefix, delimiter)


@given(key=LEGAL_KEYS, data=st.binary(max_size=5000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_under_any_legal_key_come_back_the_same(cloud: LocalCloud, key: str, data: bytes) -> None:
    bucket = bucket_of(cloud, "any-bytes-any-key")
    bucket.create_bucket()
    # HTTP clients fold a path that is nothing but dots before it leaves the machine.
    key = f"k{key}"
    bucket.put_object(key, data)
    assert bucket.get_object(key).read() == data
    assert [entry.key for entry in oss2.ObjectIteratorV2(bucket)] == [key]
    bucket.batch_delete_objects([key])
    assert not bucket.object_exists(key)


def test_both_list_versions_agree_over_many_keys(cloud: LocalCloud) -> None:
    bucket = bucket_of(cloud, f"many-{secrets.token_hex(6)}")
    bucket.create_bucket()
    keys = sorted((f"d{number % 7}/文 {number}" for number in range(300)), key=str.encode)
    for key in keys:
        bucket.put_object(key, b"")
    assert [entry.key for entry in oss2.ObjectIterator(bucket, max_keys=37)] == keys
    assert [entry.key for entry in oss2.ObjectIteratorV2(bucket, max_keys=37)] == keys
    assert [entry.key for entry in oss2.ObjectIteratorV2(bucket, start_after=keys[150])] == keys[151:]
    folders = [entry.key for entry in oss2.ObjectIteratorV2(bucket, delimiter="/", max_keys=2)]
    assert folders == [f"d{number}/" for number in range(7)]
