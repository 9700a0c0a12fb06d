"""What of an answer may be said before it is whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from localcloud.dashscope.spoken import Spoken

LETTERS = st.text("ab ")


@given(st.lists(LETTERS, min_size=1), st.lists(st.text("ab ", min_size=1, max_size=4), max_size=3))
def test_the_pieces_are_the_text_up_to_the_first_stop_word(grown: list[str], stops: list[str]) -> None:
    spoken, text, said = Spoken(stops), "", ""
    for index, growth in enumerate(grown):
        text += growth
        piece, stopped = spoken.hear(text, last=index == len(grown) - 1)
        said += piece
        if stopped:
            break
    places = [text.find(stop) for stop in stops if stop in text]
    assert said == (text[: min(places)] if places else text)


def test_half_a_character_is_not_said() -> None:
    spoken = Spoken([])
    assert spoken.hear("na\N{REPLACEMENT CHARACTER}", last=False) == ("na", False)
    assert spoken.hear("naï", last=False) == ("ï", False)


def test_what_may_become_a_stop_word_waits() -> None:
    spoken = Spoken(["END"])
    assert spoken.hear("so EN", last=False) == ("so ", False)
    assert spoken.hear("so ENtry", last=False) == ("ENtry", False)
    assert spoken.hear("so ENtry END of it", last=False) == (" ", True)
