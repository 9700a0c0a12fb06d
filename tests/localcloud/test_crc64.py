"""CRC-64/ECMA."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from localcloud.oss import crc64


def test_the_checksum_is_the_one_of_the_catalogue() -> None:
    assert crc64.update(b"123456789", 0) == 0x995DC9BBDF1939FA


@given(first=st.binary(max_size=3000), second=st.binary(max_size=3000))
def test_two_checksums_join_into_that_of_the_whole(first: bytes, second: bytes) -> None:
    joined = crc64.combine(crc64.update(first, 0), crc64.update(second, 0), len(second))
    assert joined == crc64.update(first + second, 0) == crc64.update(second, crc64.update(first, 0))
