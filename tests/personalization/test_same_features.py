"""One and the same features offline and online, and nothing in them of what came later."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from searchloom.personalization.features import FEATURES, Context, features
from searchloom.personalization.fit import fit
from searchloom.personalization.groups import cases, recommended
from searchloom.personalization.heard import key_of
from searchloom.personalization.model import Model, Recall
from searchloom.personalization.person import Person
from searchloom.personalization.replay import own_time, person_of
from searchloom.personalization.store import Store
from tests.personalization.behaviour import small


def test_what_is_served_from_store_and_files_is_what_was_trained_on_to_the_bit(tmp_path: Path) -> None:
    log, catalog = small(persons=60)
    model = fit(log, catalog)
    model.save(tmp_path / "model")
    served = Model.load(tmp_path / "model")
    rows = np.arange(len(model))
    with Store(tmp_path / "store") as store:
        users = {key_of(name): user for user, name in enumerate(log.users)}
        store.replace(users, lambda key: person_of(log, model, users[key]))
        for user in range(0, 60, 7):
            offline, online = person_of(log, model, user), store.get(key_of(log.users[user]))
            assert len(online.items) == len(offline.items) > 10
            moment = Context(float(log.time.max()), {"bm25": np.linspace(0, 9, len(rows))})
            trained = features(Recall.of(model, offline), offline, rows, moment)
            asked = features(Recall.of(served, online), online, rows, moment)
            assert np.array_equal(trained, asked, equal_nan=True)
            # Fifty of them alone get the same values as all at once.
            some = features(Recall.of(served, online), online, rows[20:70], Context(moment.now))
            alone = [name for name in FEATURES if name != "bm25"]
            places = [FEATURES.index(name) for name in alone]
            assert np.allclose(some[:, places], trained[20:70][:, places], equal_nan=True, rtol=1e-6, atol=1e-6)


def test_events_one_by_one_online_make_the_person_that_the_log_makes() -> None:
    log, catalog = small(persons=10)
    model = fit(log, catalog)
    online = Person()
    for place in np.flatnonzero(log.user == 3):
        item = log.items[log.item[place]]
        online.remember(item, log.time[place], float(log.interest[place]), *model.about(item))
    offline = person_of(log, model, 3)
    assert (online.items, online.interests, online.categories) == (
        offline.items, offline.interests, offline.categories
    )  # fmt: skip
    assert np.array_equal(online.mean, offline.mean)


def test_what_a_person_does_later_changes_no_feature_of_the_earlier_moment() -> None:
    log, catalog = small(persons=60)
    before = own_time(log, 0.8)
    early, late = log.only(before), log.only(~before)
    model = fit(early, catalog)
    some = np.arange(20)
    first = [recommended(case, "ease") for case in cases(early, late, model, some)]
    turned = late.only(np.ones(len(late), bool))
    # Other items, other interests, the same moments.
    turned.item[:] = turned.item[::-1].copy()
    turned.interest[:] = 2.0
    after = {case.user: recommended(case, "ease") for case in cases(early, turned, model, some)}
    assert any(not np.array_equal(group.labels, after[group.person].labels) for group in first)
    for group in first:
        assert np.array_equal(group.rows, after[group.person].rows)
        assert np.array_equal(group.lines, after[group.person].lines, equal_nan=True)


def test_popularity_at_a_moment_knows_only_what_was_before_it() -> None:
    log, catalog = small(persons=60)
    model = fit(log, catalog)
    moment = float(np.quantile(log.time, 0.5))
    past = log.only(log.time <= moment)
    counted = np.bincount(past.item, minlength=len(model))
    assert (model.popularity(moment, 1e9) <= counted + 1e-6).all()
    assert model.popularity(float(log.time.min()) - 1, 1e9).sum() == 0
