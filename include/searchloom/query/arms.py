"""Which arm of the experiment a person is in: the same one in every process, for as long as the experiment runs."""

from __future__ import annotations

import hashlib
from itertools import accumulate
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from searchloom.query.auth import Caller
from searchloom.settings import Arm, Experiment

SWITCHES = frozenset({"personalize", "rerank"})
"""What an arm may switch off, of the requests that have it."""

_WHOLE = 2**64

Request = TypeVar("Request", bound=BaseModel)


class Dealt(NamedTuple):
    """The arm of a person; ``name`` is the experiment's and its own, as it stands in events."""

    name: str
    arm: Arm


def dealt(experiment: Experiment, caller: Caller) -> Dealt | None:
    """The arm that a person is in; None where no experiment runs.

    In an interleaved experiment everybody is in both: what one of them has stays on, and the name is the experiment's.
    """
    if not experiment.arms:
        return None
    if experiment.interleaved:
        has = {switch: any(getattr(arm, switch) for arm in experiment.arms.values()) for switch in SWITCHES}
        return Dealt(experiment.name, Arm(**has))
    person = f"{experiment.name}\0{caller.access.tenant}\0{caller.user}".encode()
    place = int.from_bytes(hashlib.blake2b(person, digest_size=8).digest()) / _WHOLE
    place *= sum(arm.share for arm in experiment.arms.values())
    ends = accumulate(arm.share for arm in experiment.arms.values())
    name = next((name for name, end in zip(experiment.arms, ends, strict=True) if place < end), [*experiment.arms][-1])
    return Dealt(f"{experiment.name}/{name}", experiment.arms[name])


def in_arm(request: Request, mine: Dealt | None) -> Request:
    """The request as this arm answers it: what the arm switches off nobody in it can switch on."""
    if mine is None:
        return request
    switches = SWITCHES & type(request).model_fields.keys()
    return request.model_copy(update={name: getattr(request, name) and getattr(mine.arm, name) for name in switches})
