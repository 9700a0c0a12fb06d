"""What the recommender makes of behaviour; no server is needed for that."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from localcloud.airec.recommend import Found, Recommender, Wish
from localcloud.airec.tables import Behavior, Item

NOW = 1_800_000_000.0
DAY = 86_400


def learned(ids: Iterable[str], behaviors: Iterable[tuple[str, str, str, float]], **fields: str) -> Recommender:
    """A recommender of these items and (user, item, type, days ago)."""
    recommender = Recommender()
    items = [Item(number, name, "article", dict(fields)) for number, name in enumerate(ids, start=1)]
    rows = [
        Behavior(number, {
            "user_id": user, "item_id": item, "item_type": "article", "bhv_type": kind,
            "bhv_time": str(int(NOW - days * DAY)),
        })
        for number, (user, item, kind, days) in enumerate(behaviors, start=1)
    ]  # fmt: skip
    recommender.learn(items, rows, NOW)
    recommender.learn(items, rows, NOW)  # what was learned is not learned twice
    return recommender


def ask(recommender: Recommender, user: str, count: int = 5, **more: object) -> list[Found]:
    return recommender.recommend(Wish(user=user, scene="s", count=count, **more), NOW)  # type: ignore[arg-type]


def ids(found: Iterable[Found]) -> list[str]:
    return [each.key[0] for each in found]


def test_a_stranger_gets_what_is_popular_now() -> None:
    old = [(f"u{n}", "old", "click", 60.0) for n in range(5)]
    recommender = learned(["old", "now", "bought"], [*old, ("v", "now", "click", 0.0), ("w", "bought", "buy", 0.0)])
    assert ids(ask(recommender, "stranger")) == ["bought", "now", "old"]


def test_a_known_user_gets_what_goes_with_what_he_did_last_and_nothing_twice() -> None:
    behaviors = [(user, item, "click", 1.0) for user in ("a", "b") for item in ("tea", "cup")]
    behaviors += [(user, item, "click", 1.0) for user in ("c", "d") for item in ("car", "road")]
    behaviors += [("g", "car", "click", 1.0), ("g", "tea", "click", 0.5)]
    found = ask(learned(["tea", "cup", "car", "road", "other"], behaviors), "g")
    assert ids(found)[:2] == ["cup", "road"]
    assert found[0].source == "related:tea"
    assert not {"tea", "car"} & set(ids(found))


def test_what_is_disliked_draws_nothing_along() -> None:
    behaviors = [(user, item, "click", 1.0) for user in ("a", "b") for item in ("tea", "cup")]
    behaviors += [("c", "pen", "click", 1.0), ("c", "ink", "click", 1.0), ("d", "tea", "dislike", 1.0)]
    found = ask(learned(["tea", "cup", "pen", "ink"], behaviors), "d")
    assert {each.source for each in found} == {"popular"}
    assert "tea" not in ids(found)


def test_what_is_shown_in_vain_comes_later() -> None:
    clicks = [(f"u{n}", "first", "click", 0.0) for n in range(3)] + [("v", "second", "click", 0.0)]
    shown = [("w", "first", "expose", 0.0)] * 8
    recommender = learned(["first", "second"], [*clicks, *shown])
    assert ids(ask(recommender, "w")) == ["second", "first"]
    assert ids(ask(recommender, "x")) == ["first", "second"]


def test_the_tenth_place_tries_a_new_item() -> None:
    names = [f"i{n}" for n in range(30)]
    clicks = [(f"u{n}", name, "click", 0.0) for name in names for n in range(2)]
    recommender = learned(names, clicks)
    fresh = {"pub_time": str(int(NOW - DAY))}
    recommender.learn([Item(31, "fresh", "article", fresh)], [], NOW)
    found = ask(recommender, "stranger", count=20)
    assert (found[9].key[0], found[9].source, len(found)) == ("fresh", "new", 20)


def test_items_go_out_when_deleted_expired_off_or_of_another_scene() -> None:
    recommender = learned(["a", "b", "c", "d", "e"], [])
    changes = [None, {"status": "0"}, {"expire_time": "1700000000"}, {"scene_id": "t"}]
    items = [Item(n, name, "article", each) for n, name, each in zip(range(6, 10), "abcd", changes, strict=True)]
    recommender.learn(items, [], NOW)
    assert ids(ask(recommender, "u")) == ["e"]


@given(
    st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.sampled_from(["click", "expose", "buy"]))),
    st.integers(0, 50),
)
def test_no_item_comes_twice_none_that_was_dealt_with_and_as_many_as_there_are(
    done: list[tuple[str, str, str]], count: int
) -> None:
    recommender = learned("abcdef", [(*each, 0.0) for each in done], pub_time=str(int(NOW)))
    found = ids(ask(recommender, "u", count))
    dealt = {item for user, item, kind in done if user == "u" and kind != "expose"}
    assert len(found) == len(set(found)) == min(count, 6 - len(dealt))
    assert not dealt & set(found)
