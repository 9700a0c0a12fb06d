"""What is remembered: bounded, for a while, and for its owner alone."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchloom.engines.interface import Access
from searchloom.query.auth import Caller
from searchloom.query.chat.memory import MAX_CHARS, Owner, ProcessMemory, Turn, new_id
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
def memory() -> tuple[ProcessMemory, Clock]:
    clock = Clock()
    return ProcessMemory(SETTINGS, clock), clock


async def test_the_last_turns_are_kept_and_cut(memory: tuple[ProcessMemory, Clock]) -> None:
    kept, _ = memory
    for number in range(5):
        await kept.add(owner(), "one", turn(str(number)))
    await kept.add(owner(), "one", turn("y" * 3 * MAX_CHARS))
    turns = await kept.turns(owner(), "one") or ()
    assert [one.message[:1] for one in turns] == ["3", "4", "y"]
    assert len(turns[-1].answer) == MAX_CHARS


async def test_nothing_is_kept_longer_than_it_may(memory: tuple[ProcessMemory, Clock]) -> None:
    kept, clock = memory
    await kept.add(owner(), "one", turn())
    clock.now = 99
    assert await kept.turns(owner(), "one")
    await kept.add(owner(), "one", turn())  # goes on: it counts from here
    clock.now = 198
    assert await kept.turns(owner(), "one")
    clock.now = 200
    assert await kept.turns(owner(), "one") is None


@pytest.mark.parametrize(
    "other",
    [
        *(owner("ben"), owner("anna", "acme"), owner("anna", "default", "hr"), owner(corpus="d")),
        *(owner("", "default"), owner("anna default", ""), owner("anna", "default", "everyone")),
    ],
)
async def test_nobody_else_reads_a_conversation(memory: tuple[ProcessMemory, Clock], other: Owner) -> None:
    kept, _ = memory
    await kept.add(owner(), "one", turn())
    assert await kept.turns(other, "one") is None
    await kept.add(other, "one", turn("z"))
    assert [one.message for one in await kept.turns(owner(), "one") or ()] == ["x"]


async def test_the_order_of_groups_makes_no_other_owner(memory: tuple[ProcessMemory, Clock]) -> None:
    kept, _ = memory
    await kept.add(owner("anna", "default", "a", "b"), "one", turn())
    assert await kept.turns(owner("anna", "default", "b", "a", "a"), "one")


async def test_a_user_is_forgotten_whole(memory: tuple[ProcessMemory, Clock]) -> None:
    kept, _ = memory
    await kept.add(owner("anna", "default", "hr"), "one", turn())
    await kept.add(owner(), "two", turn())
    await kept.add(owner("ben"), "three", turn())
    assert await kept.forget("default", "anna") == 2
    assert await kept.forget("default", "anna") == 0
    assert await kept.turns(owner(), "two") is None
    assert await kept.turns(owner("ben"), "three")


users = st.sampled_from(["a", "b", "c", "d", "e"])
names = st.sampled_from(["1", "2", "3", "4"])


@settings(deadline=None)
@given(st.lists(st.tuples(users, names, st.integers(0, 60)), max_size=60))
def test_the_bounds_hold_whatever_is_said(said: list[tuple[str, str, int]]) -> None:
    async def run() -> None:
        clock = Clock()
        kept = ProcessMemory(SETTINGS, clock)
        last: dict[tuple[str, str], float] = {}
        for user, name, pause in said:
            clock.now += pause
            await kept.add(owner(user), name, turn())
            last[user, name] = clock.now
            there = {one: await kept.turns(owner(one[0]), one[1]) for one in last}
            held = {one for one, turns in there.items() if turns is not None}
            assert (user, name) in held
            assert len(held) <= SETTINGS.conversations
            for each in {one[0] for one in held}:
                own = sorted((one for one in last if one[0] == each), key=lambda one: last[one])
                mine = [one for one in own if one in held]
                assert len(mine) <= SETTINGS.conversations_per_user
                assert mine == own[len(own) - len(mine) :]  # the ones used last
            assert all(clock.now - last[one] <= SETTINGS.forget_after_s for one in held)

    asyncio.run(run())


def test_names_of_conversations_cannot_be_guessed() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
    assert len(new_id()) >= 24
