"""CRC-64/ECMA, the checksum that OSS sends with every object, and how two of them join."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

import crcmod

_REFLECTED = 0xC96C5795D7870F42
_ONE = 1 << 63  # the polynomial 1, bit-reversed

# (data, checksum so far) -> checksum; the package does the work in C.
update = cast(
    "Callable[[bytes | bytearray | memoryview, int], int]",
    crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True),
)


def combine(first: int, second: int, second_length: int) -> int:
    """Checksum of two runs of bytes put together, from the checksum of each and the length of the second."""
    return _multiply(_shift(second_length), first) ^ second if second_length else first


def _multiply(a: int, b: int) -> int:
    product, bit = 0, _ONE
    while a:
        if a & bit:
            product ^= b
            a ^= bit
        bit >>= 1
        b = (b >> 1) ^ _REFLECTED if b & 1 else b >> 1
    return product


@lru_cache(maxsize=256)
def _shift(length: int) -> int:
    """X to the power of 8 * length, modulo the polynomial: what ``length`` zero bytes do to a checksum."""
    power, square, bits = _ONE, _ONE >> 1, length * 8
    while bits:
        if bits & 1:
            power = _multiply(square, power)
        square = _multiply(square, square)
        bits >>= 1
    return power
