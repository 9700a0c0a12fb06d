"""``searchloom airec``: what became of the last sync, and the dead letters sent again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.behaviour.world import World


def call(world: World, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "searchloom.cli", "airec", *arguments],
        env=world.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr[-2000:]
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_report_says_what_is_dead_and_a_replay_sends_it_once_it_can(world: World) -> None:
    assert "was never sent to AIRec" in call(world, "report", "--corpus", world.corpus, status=2)
    world.documents(1)
    world.log(world.event("guides/default/1.md"))
    world.sync()
    told = call(world, "report", "--corpus", world.corpus)
    assert "behavior: 0 to send, 0 accepted" in told
    assert "dead letters of behavior: 1, the first because its tenant has no document" in told
    world.documents(2)
    done = json.loads(call(world, "replay", "--corpus", world.corpus, "--json"))
    assert (done["tables"]["behavior"]["accepted"], done["missing"]) == (1, 0)
    assert len(world.behaviour()) == 1
    assert json.loads(call(world, "report", "--corpus", world.corpus, "--json"))["dead"]["behavior"] == 0


def test_a_corpus_that_cannot_be_is_one_sentence(world: World) -> None:
    assert "corpus 'Big': use up to 63" in call(world, "report", "--corpus", "Big", status=2)
