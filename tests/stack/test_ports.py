"""Free ports."""

from __future__ import annotations

import socket

import pytest

from searchloom.errors import UsageError
from searchloom.stack import ports


@pytest.fixture
def busy():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


def test_a_busy_port_is_passed_over(busy: int):
    assert not ports.is_free(busy)
    assert ports.find_free(busy) > busy


def test_a_port_that_another_part_was_given_is_passed_over(busy: int):
    free = ports.find_free(busy)
    assert ports.find_free(free, avoid={free}) > free


def test_no_free_port_at_all_is_one_sentence(busy: int):
    with pytest.raises(UsageError, match=f"no free port between {busy}"):
        ports.find_free(busy, avoid=range(busy, busy + ports.TRIES))
