"""Persons come out of the store as they went in, also after a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.errors import Terminal
from searchloom.personalization.heard import key_of
from searchloom.personalization.person import HISTORY, Person
from searchloom.personalization.store import Store

EVENTS = st.lists(
    st.tuples(
        st.text(min_size=1, max_size=8), st.floats(0, 5e9), st.floats(-9, 9), st.sampled_from(["", "a", "ä" * 40, "c"])
    ),
    max_size=140,
)


@settings(deadline=None, max_examples=50)
@given(EVENTS, st.booleans())
def test_a_person_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, float, float, str]], vectors: bool
) -> None:
    person = Person()
    for number, event in enumerate(events):
        vector = np.random.default_rng(number).normal(size=64).astype(np.float32) if vectors else None
        person.remember(*event, vector)
    with Store(tmp_path_factory.mktemp("store")) as store:
        store.put(key_of("u"), person)
        found = store.get(key_of("u"))
    assert len(found.items) <= HISTORY
    assert (found.items, found.interests, found.categories) == (person.items, person.interests, person.categories)
    assert (found.events, found.first, found.last) == (person.events, person.first, person.last)
    assert found.mean is None if person.mean is None else np.array_equal(found.mean, person.mean)


def test_who_is_erased_is_nobody_and_the_same_name_of_another_tenant_stays(tmp_path: Path) -> None:
    person = Person()
    person.remember("x", 1.0, 1.0)
    with Store(tmp_path) as store:
        for tenant in ("a", "b"):
            store.put(key_of("u", tenant), person)
        assert store.erase(key_of("u", "a"))
        assert not store.erase(key_of("u", "a"))
        assert store.get(key_of("u", "a")) == Person()
        assert store.get(key_of("u", "b")).items == ["x"]


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_replacing_everybody_forgets_exactly_those_who_are_not_named(
    tmp_path_factory: pytest.TempPathFactory, old: set[int], new: set[int]
) -> None:
    def person(number: int) -> Person:
        found = Person()
        found.remember(f"item-{number}", 1.0, 1.0)
        return found

    with Store(tmp_path_factory.mktemp("store")) as store:
        for numbers in (old, new):
            keys = {key_of(str(number)): number for number in numbers}
            assert store.replace(keys, lambda key, keys=keys: person(keys[key])) == len(store) == len(numbers)  # type: ignore[misc]
        for number in old | new:
            assert store.get(key_of(str(number))).items == ([f"item-{number}"] if number in new else [])


def test_what_was_put_survives_a_kill_and_another_process_reads_it(tmp_path: Path) -> None:
    writer = (
        "import os, signal, sys; from pathlib import Path\n"
        "from searchloom.personalization.person import Person\n"
        "from searchloom.personalization.store import Store, key_of\n"
        "store, person = Store(Path(sys.argv[1])), Person()\n"
        "person.remember('x', 1.0, 1.0)\n"
        "store.put(key_of('u'), person)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", writer, str(tmp_path)], check=False).returncode == -9
    with Store(tmp_path, writes=False) as store:
        assert store.get(key_of("u")).items == ["x"]


def test_a_store_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="cannot be opened"):
        Store(tmp_path / "none", writes=False)
