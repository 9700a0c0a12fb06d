"""Send the rows of a plan to one table of AIRec, request by request; what was answered is not sent again.

AIRec takes a request whole or refuses it whole: a refused one is halved until the rows that spoil it stand alone. Items
and users can be sent twice; behaviour can only be added. So every answer is noted before the next request, and a retry
goes on there. Where an answer got lost, or the process was killed before it could note it, those rows (one request at
most) are sent again, the same to the byte, and counted ``in_doubt``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from searchloom.behaviour import run_files
from searchloom.behaviour.erasures import Erasures
from searchloom.behaviour.ledger import Ledger
from searchloom.behaviour.planned import Planned
from searchloom.behaviour.run_files import Answers
from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_rows import Table
from searchloom.cloud.oss import Oss

log = logging.getLogger(__name__)

_SAID_EVERY = 25  # requests


@dataclass(slots=True)
class _Push:
    oss: Oss
    airec: Airec
    plan: str
    table: Table
    erasures: Erasures
    counts: Counter[str] = field(default_factory=Counter)

    def request(self, number: int) -> None:
        """Bring the rows of one request to AIRec, as far as they are not there."""
        answers = run_files.read_answers(self.oss, self.plan, self.table, number)
        settled = answers.settled
        left = [row for row in run_files.read_batch(self.oss, self.plan, self.table, number) if row.id not in settled]
        if left:
            answers.in_doubt += len({row.id for row in left} & set(answers.in_flight))
            self.erasures.refresh()
            forgotten = [row for row in left if self.erasures.covers(row.person, row.time)]
            answers.left_out += [row.id for row in forgotten]
            names = {row.id for row in forgotten}
            self._send([row for row in left if row.id not in names], answers, number)
        self.counts.update(
            accepted=len(answers.accepted), refused=len(answers.refused), left_out=len(answers.left_out),
            in_doubt=answers.in_doubt, requests=answers.requests,
        )  # fmt: skip

    def _send(self, rows: Sequence[Planned], answers: Answers, number: int) -> None:
        waiting = [rows] if rows else []
        while waiting:
            group = waiting.pop()
            answers.in_flight = [row.id for row in group]
            run_files.write_answers(self.oss, self.plan, self.table, number, answers)
            outcomes = list(self.airec.push(self.table, [row.row for row in group]))
            answers.requests += 1
            reason = next((outcome.reason for outcome in outcomes if not outcome.ok), "")
            if not reason:
                answers.accepted += answers.in_flight
            elif len(group) == 1:
                answers.refused[group[0].id] = reason
            else:
                middle = len(group) // 2
                waiting += [group[middle:], group[:middle]]
        answers.in_flight = []
        run_files.write_answers(self.oss, self.plan, self.table, number, answers)


def push(oss: Oss, airec: Airec, *, plan: str, table: Table) -> dict[str, Any]:
    """Send what a plan has for a table; returns counts of ``accepted``, ``refused``, ``left_out`` and more.

    Does nothing where the plan is closed, or a later run has taken it over. Raises the errors of the client: a
    ``Transient`` one may be met by calling again, which goes on after the last answer.
    """
    head = run_files.read_plan(oss, plan)
    ledger = Ledger(oss, head["instance"], head["corpus"])
    work = _Push(oss, airec, plan, table, Erasures(oss))
    total = head["batches"][table]
    for number in range(total):
        if ledger.state().open != plan:
            log.warning("%s is done with, or a later run has taken it over; nothing more is sent of it", plan)
            return {"table": table, "taken_over": True, **work.counts}
        work.request(number)
        if (number + 1) % _SAID_EVERY == 0:
            log.info("%s: %d of %d requests were answered", table, number + 1, total)
    told = ", ".join(f"{count:,} {what}" for what, count in work.counts.items() if count) or "nothing to send"
    log.info("%s of corpus %r to %s: %s", table, head["corpus"], head["instance"], told)
    return {"table": table, "taken_over": False, **work.counts}
