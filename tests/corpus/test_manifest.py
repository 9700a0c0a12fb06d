from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from searchloom.cloud import lease
from searchloom.corpus import manifest
from searchloom.corpus.manifest import FOLD_AFTER
from tests.corpus.runs import Runs


def test_deltas_are_folded_and_nothing_is_lost_by_it(runs: Runs) -> None:
    commits = FOLD_AFTER * 2 + 3
    for number in range(commits):
        runs.put({f"{number}.txt": f"text {number}", "changes.txt": f"version {number}"})
        runs.run()
    current = runs.manifest()
    assert current.seq == commits
    assert current.files[0].startswith(f"manifest/{runs.corpus}/base-")
    assert len(current.files) <= FOLD_AFTER
    assert len(runs.texts()) == commits + 1
    assert runs.texts()["changes.txt"] == f"version {commits - 1}"
    stored = [info.key for kind in ("base", "delta") for info in runs.oss.list(f"manifest/{runs.corpus}/{kind}-")]
    assert len(stored) < commits


def test_a_lease_is_held_by_one_owner_until_it_expires(runs: Runs) -> None:
    key = manifest.lease_key(runs.corpus)
    with lease.hold(runs.oss, key, "a") as held:
        refused = pytest.raises(lease.LeaseHeld, match=r"'a' has held .* try again")
        with refused, lease.hold(runs.oss, key, "b", wait_s=0):
            pass
        old = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        runs.oss.put_json(key, {"owner": "a", "nonce": held.nonce, "expires": old})
        with lease.hold(runs.oss, key, "b", wait_s=0), pytest.raises(lease.LeaseLost):
            held.check()
    assert not runs.oss.exists(key)
