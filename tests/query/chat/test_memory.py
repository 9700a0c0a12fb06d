"""What is remembered: bounded, for a while, and for its owner alone."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.engines.interface import Access
from searchloom.errors import ServiceUnavailable
from searchloom.personalization.heard import key_of
from searchloom.query.auth import Caller
from searchloom.query.chat.conversations import Conversations
from searchloom.query.chat.memory import MAX_CHARS, Owner, Turn, new_id
from searchloom.settings import Chat

SETTINGS = Chat(turns=3, conversations=6, conversations_per_user=2, forget_after_s=100)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def owner(user: str = "anna", tenant: str = "default", *groups: str, corpus: str = "c") -> Owner:
    return Owner.of(Caller(user, Access(tenant, groups)), corpus)


def turn(text: str = "x") -> Turn:
    return Turn(text, text, text, ("d",))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Iterator[Conversations]:
    with closing(Conversations(tmp_path / "conversations", SETTINGS, clock)) as conversations:
        yield conversations


def test_the_last_turns_are_kept_and_cut(kept: Conversations) -> None:
    for number in range(5):
        kept.add(owner(), "one", turn(str(number)))
    kept.add(owner(), "one", turn("y" * 3 * MAX_CHARS))
    turns = kept.turns(owner(), "one") or ()
    assert [one.message[:1] for one in turns] == ["3", "4", "y"]
    assert len(turns[-1].answer) == MAX_CHARS


def test_nothing_is_kept_longer_than_it_may(kept: Conversations, clock: Clock) -> None:
    kept.add(owner(), "one", turn())
    clock.now = 99
    assert kept.turns(owner(), "one")
    kept.add(owner(), "one", turn())  # goes on: it counts from here
    clock.now = 198
    assert kept.turns(owner(), "one")
    clock.now = 200
    assert kept.turns(owner(), "one") is None


@pytest.mark.parametrize(
    "other",
    [
        *(owner("ben"), owner("anna", "acme"), owner("anna", "default", "hr"), owner(corpus="d")),
        *(owner("", "default"), owner("anna default", ""), owner("anna", "default", "everyone")),
    ],
)
def test_nobody_else_reads_a_conversation(kept: Conversations, other: Owner) -> None:
    kept.add(owner(), "one", turn())
    assert kept.turns(other, "one") is None
    kept.add(other, "one", turn("z"))
    assert [one.message for one in kept.turns(owner(), "one") or ()] == ["x"]


def test_the_order_of_groups_makes_no_other_owner(kept: Conversations) -> None:
    kept.add(owner("anna", "default", "a", "b"), "one", turn())
    assert kept.turns(owner("anna", "default", "b", "a", "a"), "one")


def test_a_user_is_forgotten_whole(kept: Conversations) -> None:
    kept.add(owner("anna", "default", "hr"), "one", turn())
    kept.add(owner(), "two", turn())
    kept.add(owner("ben"), "three", turn())
    assert kept.forget("default", "anna") == 2
    assert kept.forget("default", "anna") == 0
    assert kept.turns(owner(), "two") is None
    assert kept.turns(owner("ben"), "three")


users = st.sampled_from(["a", "b", "c", "d", "e"])
names = st.sampled_from(["1", "2", "3", "4"])


@settings(deadline=None)
@given(st.lists(st.tuples(users, names, st.integers(0, 60)), max_size=60))
def test_the_bounds_hold_whatever_is_said(said: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    with TemporaryDirectory() as folder, closing(Conversations(Path(folder) / "c", SETTINGS, clock)) as kept:
        last: dict[tuple[str, str], float] = {}  # in the order of use
        for user, name, pause in said:
            clock.now += pause
            kept.add(owner(user), name, turn())
            last.pop((user, name), None)
            last[user, name] = clock.now
            held = {one for one in last if kept.turns(owner(one[0]), one[1]) is not None}
            assert (user, name) in held
            assert len(held) <= SETTINGS.conversations
            for each in {one[0] for one in held}:
                own = [one for one in last if one[0] == each]
                mine = [one for one in own if one in held]
                assert len(mine) <= SETTINGS.conversations_per_user
                assert mine == own[len(own) - len(mine) :]  # the ones used last
            assert all(clock.now - last[one] <= SETTINGS.forget_after_s for one in held)


def test_names_of_conversations_cannot_be_guessed() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
    assert len(new_id()) >= 24


def test_processes_of_a_host_share_it_and_it_outlives_them(tmp_path: Path) -> None:
    file = tmp_path / "state" / "conversations"
    with closing(Conversations(file, SETTINGS)) as one, closing(Conversations(file, SETTINGS)) as other:
        one.add(owner(), "one", turn("a"))
        other.add(owner(), "one", turn("b"))
        assert [each.message for each in one.turns(owner(), "one") or ()] == ["a", "b"]
    with closing(Conversations(file, SETTINGS)) as later:
        assert [each.message for each in later.turns(owner(), "one") or ()] == ["a", "b"]


def test_no_turn_is_lost_when_several_write_at_once(tmp_path: Path) -> None:
    file, kept_turns = tmp_path / "conversations", Chat(turns=100)

    def talk(number: int) -> None:
        with closing(Conversations(file, kept_turns)) as mine:
            for at in range(10):
                mine.add(owner(), "one", turn(f"{number}-{at}"))

    talking = [Thread(target=talk, args=(number,)) for number in range(4)]
    for thread in talking:
        thread.start()
    for thread in talking:
        thread.join()
    with closing(Conversations(file, kept_turns)) as kept:
        said = {one.message for one in kept.turns(owner(), "one") or ()}
    assert said == {f"{number}-{at}" for number in range(4) for at in range(10)}


def test_what_an_erasure_elsewhere_says_is_forgotten_and_later_words_are_not(kept: Conversations, clock: Clock) -> None:
    kept.add(owner(), "before", turn())
    kept.add(owner("ben"), "before", turn())
    clock.now = 10
    kept.add(owner(), "after", turn())
    marks = {key_of("anna", "default").hex(): 5.0, key_of("nobody", "default").hex(): 5.0}
    assert kept.erase(marks) == 1
    assert kept.turns(owner(), "before") is None
    assert kept.turns(owner(), "after")
    assert kept.turns(owner("ben"), "before")


def test_what_is_forgotten_is_in_no_file(kept: Conversations, tmp_path: Path) -> None:
    kept.add(owner(), "one", turn("a secret"))
    assert any(b"a secret" in file.read_bytes() for file in tmp_path.iterdir())
    kept.forget("default", "anna")
    assert not any(b"a secret" in file.read_bytes() for file in tmp_path.iterdir())


def test_nobody_else_reads_the_files_nor_finds_names_in_them(kept: Conversations, tmp_path: Path) -> None:
    kept.add(owner("anna@example.org"), "one", turn())
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert not any(b"anna@example.org" in file.read_bytes() for file in tmp_path.iterdir())


def test_a_person_is_told_what_is_remembered(kept: Conversations, clock: Clock) -> None:
    clock.now = 7
    kept.add(owner("anna", "default", "hr", corpus="papers"), "one", turn("hello"))
    (told,) = kept.told("default", "anna")
    assert (told.corpus, told.last, [one.message for one in told.turns]) == ("papers", 7, ["hello"])
    assert kept.told("acme", "anna") == []


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    file = tmp_path / "conversations"
    file.write_text("my diary, " * 1000, encoding="utf-8")
    with closing(Conversations(file, SETTINGS)) as kept, pytest.raises(ServiceUnavailable, match=str(file)):
        kept.turns(owner(), "one")
    assert file.read_text(encoding="utf-8").startswith("my diary")


def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "conversations"
    with closing(Conversations(file, SETTINGS)) as kept:
        kept.add(owner(), "one", turn())
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with closing(Conversations(file, SETTINGS)) as kept:
        assert kept.turns(owner(), "one") is None
