"""What was to be sent against what AIRec has taken: noted for the next run, reported, and red where it differs."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from searchloom.behaviour import dead_letters, rows, run_files
from searchloom.behaviour.ledger import Ledger, User
from searchloom.behaviour.planned import TABLES, Planned, Refused
from searchloom.behaviour.run_files import Answers
from searchloom.cloud import lease
from searchloom.cloud.airec_rows import Table
from searchloom.cloud.oss import Oss
from searchloom.errors import ServiceNotFound, Terminal

log = logging.getLogger(__name__)

_LEAST_UNFIT = 100  # fewer are never too many, whatever their share


@dataclass(slots=True)
class Balance:
    """What became of the rows of a table.

    ``wanted`` were planned. Of them ``accepted`` are in AIRec, ``refused`` by it, ``left_out`` of people erased
    meanwhile, and ``missing`` are all others. ``unfit`` were never planned, as they break a rule. ``in_doubt`` were
    sent without an answer, and again: AIRec may hold them twice.
    """

    wanted: int = 0
    accepted: int = 0
    refused: int = 0
    left_out: int = 0
    missing: int = 0
    unfit: int = 0
    in_doubt: int = 0
    requests: int = 0

    def sentence(self, table: str) -> str:
        """The balance as a line of the log."""
        said = f"{table}: {self.wanted:,} to send, {self.accepted:,} accepted, {self.refused:,} refused"
        said += f", {self.left_out:,} left out (erased), {self.missing:,} missing"
        said += f"; {self.unfit:,} unfit" if self.unfit else ""
        return said + (f"; {self.in_doubt:,} in doubt: perhaps there twice" if self.in_doubt else "")


@dataclass(slots=True)
class _Tally:
    """What became of the rows of one table, taken in request by request: a table may be larger than the memory."""

    balance: Balance
    refused: list[Refused] = field(default_factory=list)
    told: dict[str, User] = field(default_factory=dict)
    departed: set[str] = field(default_factory=set)
    waiting: list[User] = field(default_factory=list)
    days: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, table: Table, planned: list[Planned], answers: Answers) -> None:
        """Take in one request."""
        accepted, settled, balance = set(answers.accepted), answers.settled, self.balance
        balance.in_doubt += answers.in_doubt + len(set(answers.in_flight) - settled)
        balance.requests += answers.requests
        balance.wanted += len(planned)
        for row in planned:
            if row.id in accepted:
                balance.accepted += 1
                self._accept(table, row)
            elif row.id in answers.refused:
                balance.refused += 1
                self.refused.append(rows.refusal(row, answers.refused[row.id], "airec"))
            elif row.id in settled:
                balance.left_out += 1
            else:
                balance.missing += 1
                if table == "user" and row.row.cmd != "delete":
                    self.waiting.append(rows.told(row))

    def _accept(self, table: Table, row: Planned) -> None:
        if table == "behavior":
            self.days[datetime.fromtimestamp(row.time, UTC).date().isoformat()].append(int(row.id))
            self.kinds[row.row.fields["bhv_type"]] += 1
        elif table == "user" and row.row.cmd == "delete":
            self.departed.add(row.person)
        elif table == "user":
            self.told[row.person] = rows.told(row)


def reconcile(oss: Oss, *, plan: str) -> dict[str, Any]:
    """Note what AIRec has taken of a plan, write the report and return it.

    Raises ``Terminal`` where rows are missing, where AIRec refused some that no known rule explains, or where more
    events than usual could not be sent at all. Calling again says the same, or better where more was sent meanwhile.
    """
    head = run_files.read_plan(oss, plan)
    ledger = Ledger(oss, head["instance"], head["corpus"])
    key = run_files.report_key(head["corpus"], head["run_id"])
    with lease.hold(oss, ledger.lease_key, f"reconcile {plan}"):
        report = settle(oss, ledger, plan) if ledger.state().open == plan else _closed(oss, plan, key)
    for line in report["lines"]:
        log.info("%s", line)
    if report["red"]:
        raise Terminal(f"{report['red']}; the report is {key}")
    return report


def settle(oss: Oss, ledger: Ledger, plan: str, *, taken_over: bool = False) -> dict[str, Any]:
    """Note what AIRec has taken of a plan and write the report; where nothing is missing the plan is closed.

    ``taken_over``: the next plan begins; what is missing of this one will be planned again there. The caller holds the
    lease. Dying in the middle is harmless: until the plan is closed, all of it is done again.
    """
    head = run_files.read_plan(oss, plan)
    tallies: dict[Table, _Tally] = {}
    for table in TABLES:
        tally = tallies[table] = _Tally(Balance(unfit=head["unfit"][table]))
        for planned, answers in run_files.batches(oss, plan, head, table):
            tally.add(table, planned, answers)
        dead_letters.write(oss, _letters(head, table, "airec"), tally.refused)
    _note(oss, ledger, plan, tallies)
    balances = {table: tally.balance for table, tally in tallies.items()}
    report = _report(head, balances, tallies["behavior"].kinds)
    oss.put_json(run_files.report_key(head["corpus"], head["run_id"]), report)
    whole = not report["missing"]
    state = ledger.state()
    state.waiting = tallies["user"].waiting
    if head["seq"] and not balances["item"].missing:
        state.seq, state.embedding, state.again = head["seq"], head["embedding"], head["again"]
    if taken_over:  # what is planned again will be found again
        again = [table for table, balance in balances.items() if balance.missing]
        oss.delete_many([_letters(head, table, by) for table in again for by in ("check", "airec")])
    state.open = "" if whole or taken_over else plan
    ledger.save(state)
    if whole:
        oss.delete_many(head["replayed"])
    if whole or taken_over:
        run_files.forget_rows(oss, plan)
    return report


def _note(oss: Oss, ledger: Ledger, plan: str, tallies: Mapping[Table, _Tally]) -> None:
    """Write down what AIRec holds now: people, events, and the files that need no more reading."""
    people = tallies["user"]
    if people.told or people.departed:
        known = ledger.users() | people.told
        ledger.save_users(user for person, user in known.items() if person not in people.departed)
    for day, ids in tallies["behavior"].days.items():
        ledger.add_sent(day, ids)
    if tallies["behavior"].balance.missing:
        return
    days: dict[str, dict[str, str]] = defaultdict(dict)
    for row in run_files.read_files(oss, plan).to_pylist():
        days[row["day"]][row["name"]] = row["etag"]
    for day, files in days.items():
        ledger.add_files(day, files)


def _letters(head: Mapping[str, Any], table: Table, by: str) -> str:
    return dead_letters.key(head["instance"], head["corpus"], table, head["tag"], by)


def _closed(oss: Oss, plan: str, key: str) -> dict[str, Any]:
    """The report of a plan that is done with."""
    try:
        report: dict[str, Any] = oss.get_json(key)
    except ServiceNotFound as error:
        raise Terminal(f"the sync plan {plan!r} was closed and its report is gone; start a new run") from error
    if report["missing"]:
        log.warning("a later run has taken over what was missing")
        report["red"] = ""
    return report


def _report(head: Mapping[str, Any], balances: Mapping[Table, Balance], kinds: Counter[str]) -> dict[str, Any]:
    missing = sum(balance.missing for balance in balances.values())
    lines = [balance.sentence(table) for table, balance in balances.items()]
    shown, clicked = kinds["expose"], kinds["click"]
    if clicked > shown:
        # AIRec takes such data for broken and does not start on it.
        lines.append(f"behavior: {clicked:,} clicks, {shown:,} exposes: AIRec wants to hear of all that was shown")
    lines.append(f"difference: {missing:,}")
    return {
        "corpus": head["corpus"], "instance": head["instance"], "run_id": head["run_id"], "seq": head["seq"],
        "tables": {table: asdict(balance) for table, balance in balances.items()},
        "types": dict(kinds), "counts": head["counts"], "missing": missing, "lines": lines,
        "dead_letters": dead_letters.prefix(head["instance"], head["corpus"]),
        "red": _trouble(head, balances, missing),
    }  # fmt: skip


def _trouble(head: Mapping[str, Any], balances: Mapping[Table, Balance], missing: int) -> str:
    """Why somebody should look; empty where nobody has to."""
    where = dead_letters.prefix(head["instance"], head["corpus"])
    if missing:
        tables = ", ".join(f"{one.missing:,} rows of {table}" for table, one in balances.items() if one.missing)
        return f"{tables} did not reach AIRec; clear the failed tasks, or let the next run send them"
    for table, one in balances.items():
        if one.refused:
            return f"AIRec refused {one.refused:,} rows of {table} by a rule of its own; {where} says which and why"
        if one.unfit > max(_LEAST_UNFIT, head["max_unfit_share"] * (one.wanted + one.unfit)):
            return f"{one.unfit:,} rows of {table} cannot be sent, more than usual; {where} says why"
    return ""
