"""What AIRec lacks, as requests that can be sent one by one: documents, people, behaviour."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from searchloom.behaviour import dead_letters, log_files, rows, run_files
from searchloom.behaviour.erasures import Erasures
from searchloom.behaviour.items import Items, Scheme, Vectors
from searchloom.behaviour.ledger import Ledger, User, among, identity
from searchloom.behaviour.planned import TABLES, Planned, Refused
from searchloom.behaviour.reconcile import settle
from searchloom.cloud import lease
from searchloom.cloud.airec_rows import Table, batches
from searchloom.cloud.oss import Oss
from searchloom.corpus import manifest as manifests
from searchloom.corpus.manifest import Manifest
from searchloom.errors import UsageError
from searchloom.settings import Settings

log = logging.getLogger(__name__)

_EVENTS = 10_000  # whose documents are looked up together


def plan(
    oss: Oss,
    *,
    instance: str,
    scene_id: str,
    corpus: str,
    run_id: str,
    before: datetime | None,
    full: bool,
    replay: bool,
    settings: Settings,
) -> dict[str, Any]:
    """Find what AIRec lacks of a corpus and write it down, in requests of the documented size.

    ``before``: leave events that were written then or later to a later run. ``full``: send all documents and people
    again (behaviour can only be added and is never sent again). ``replay``: take up the dead letters as well.

    A plan that an earlier run left open is closed first: what AIRec has taken of it is noted, the rest planned again.
    Returns the plan's prefix and counts. Raises ``LeaseHeld`` while another run plans.
    """
    if not re.fullmatch(r"[^/\\\s]+", run_id):
        raise UsageError(f"run id {run_id!r} cannot be part of a key; leave out slashes and spaces")
    name = run_files.new_plan(instance, corpus, run_id)
    ledger = Ledger(oss, instance, corpus)
    with lease.hold(oss, ledger.lease_key, name) as held:
        state = ledger.state()
        if state.open:
            settle(oss, ledger, state.open, taken_over=True)
            state = ledger.state()
        run_files.sweep(oss, instance, corpus)
        work = _Work(oss, ledger, Erasures(oss).refresh(), held, name, instance, settings, corpus, scene_id)
        forgotten = dead_letters.forget(oss, instance, corpus, work.erasures)
        if work.manifest.seq:
            letters = work.letters() if replay else {table: [] for table in TABLES}
            work.items(full=full, letters=letters["item"])
            work.behaviour(before=before, letters=letters["behavior"])
            work.users(full=full, letters=letters["user"])
        else:
            log.info("corpus %r has no documents yet: its events wait for them", corpus)
        head = work.head(run_id)
        run_files.write_plan(oss, name, head, work.files_table())
        held.check()
        state.open = name
        ledger.save(state)
    counts: dict[str, int] = {table: head["wanted"][table] for table in TABLES}
    log.info(
        "corpus %r, instance %s: %d rows of item, %d of user, %d of behavior are to be sent (%s)",
        corpus, instance, *counts.values(), ", ".join(f"{number:,} {what}" for what, number in work.counts.items()),
    )  # fmt: skip
    if forgotten:
        log.info("%d dead letters of people who were erased are gone", forgotten)
    return {"plan": name, "corpus": corpus, **counts, **work.counts}


@dataclass(slots=True)
class _Work:
    """A plan in the making."""

    oss: Oss
    ledger: Ledger
    erasures: Erasures
    held: lease.Lease
    name: str
    instance: str
    settings: Settings
    corpus: str
    scene_id: str
    counts: Counter[str] = field(default_factory=Counter)
    replayed: list[str] = field(default_factory=list)
    _scheme: Scheme = field(init=False)
    manifest: Manifest = field(init=False)
    _active: pa.Table = field(init=False)
    _vectors: Vectors = field(init=False)
    _requests: dict[Table, int] = field(default_factory=dict)
    _wanted: dict[Table, int] = field(default_factory=dict)
    _refused: dict[Table, int] = field(default_factory=dict)
    _files: list[log_files.LogFile] = field(default_factory=list)
    _people: dict[str, User] = field(default_factory=dict)
    _bare: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._scheme = Scheme(self.corpus, self.settings.recommend.item_type, self.scene_id)
        self.manifest = manifests.read(self.oss, self.corpus)
        self._active = self.manifest.active().select(["doc_id", "source_id", "tenant"])
        self._vectors = Vectors(self.oss, self.corpus)

    def letters(self) -> dict[Table, list[Refused]]:
        """The dead letters of each table; once nothing is missing of this plan, their files go."""
        found: dict[Table, list[Refused]] = {table: [] for table in TABLES}
        for table in TABLES:
            for key, refused in dead_letters.read(self.oss, self.instance, self.corpus, table):
                self.replayed.append(key)
                found[table] += refused
        self.counts["dead letters taken up"] = sum(map(len, found.values()))
        return found

    def items(self, *, full: bool, letters: Sequence[Refused]) -> None:
        """Plan the documents that have changed; all of them where features are made by another model now."""
        state = self.ledger.state()
        again = full or state.embedding != self._vectors.version
        since = 0 if again else state.seq
        items = Items(self.oss, self.manifest, self._scheme, self._vectors)
        wanted = [*state.again, *(str(one.source["doc_id"]) for one in letters)]
        planned = items.rows(since=since, again=wanted, with_deletes=bool(state.seq))
        self._write("item", (rows.checked("item", one) for one in planned))
        self._bare = items.bare
        if items.bare:
            self.counts["documents without vectors"] = len(items.bare)

    def behaviour(self, *, before: datetime | None, letters: Sequence[Refused]) -> None:
        """Plan the events that AIRec has not had."""
        window = self.settings.airec.window_days
        self._files = log_files.outstanding(self.oss, self.ledger, before=before, window_days=window)
        self.counts["files of the event log"] = len(self._files)
        since = log_files.first_day(before, window) if before and not letters else ""
        known = self.ledger.sent(since=since) if self._files or letters else np.empty(0, np.int64)
        users = self.ledger.users() | {one.person: one for one in self.ledger.state().waiting}
        self._people = {name: one for name, one in users.items() if not self.erasures.covers(name, one.last)}
        clock = rows.Clock(time.time(), self.settings.airec.clock_skew_s)
        fresh = self._fresh(self._read(letters), known)
        self._write("behavior", self._behaviour_rows(fresh, clock))

    def users(self, *, full: bool, letters: Sequence[Refused]) -> None:
        """Plan the people who did something, and take out those who were erased."""
        before = self.ledger.users()
        gone = [one for person, one in before.items() if person not in self._people]
        again = {one.person for one in letters}
        told = [
            one
            for person, one in self._people.items()
            if full or person in again or rows.is_news(before.get(person), one)
        ]
        planned = [*map(rows.departed, gone), *map(rows.user, told)]
        self._write("user", (rows.checked("user", one) for one in planned))

    def head(self, run_id: str) -> dict[str, Any]:
        """What ``plan.json`` says."""
        return {
            "corpus": self.corpus, "instance": self.instance, "run_id": run_id, "tag": manifests.tag(self.name),
            "seq": self.manifest.seq, "embedding": self._vectors.version, "again": self._bare,
            "batches": {table: self._requests.get(table, 0) for table in TABLES},
            "wanted": {table: self._wanted.get(table, 0) for table in TABLES},
            "unfit": {table: self._refused.get(table, 0) for table in TABLES},
            "counts": dict(self.counts), "replayed": self.replayed,
            "max_unfit_share": self.settings.airec.max_unfit_share,
        }  # fmt: skip

    def files_table(self) -> pa.Table:
        """The files that the behaviour was read from."""
        columns = {name: [getattr(file, name) for file in self._files] for name in run_files.FILES.names}
        return pa.table(columns, schema=run_files.FILES)

    def _read(self, letters: Sequence[Refused]) -> Iterator[Sequence[Mapping[str, Any]]]:
        """The events of the outstanding files and of the dead letters, some thousands at a time."""
        waiting: list[Mapping[str, Any]] = [one.source for one in letters]
        for file in self._files:
            found, broken = log_files.events(self.oss, file, self.corpus)
            waiting += found
            if broken:
                self.counts["lines that are no events"] += broken
                log.warning("%s holds %d lines that are no events; they are left out", file.key, broken)
            if len(waiting) >= _EVENTS:
                yield waiting
                waiting = []
        yield waiting

    def _fresh(
        self, groups: Iterable[Sequence[Mapping[str, Any]]], known: np.ndarray[Any, np.dtype[np.int64]]
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """The events that come for the first time, and that no erasure is about."""
        seen: set[int] = set()
        for group in groups:
            ids = [identity(event) for event in group]
            old = among(np.array(ids, np.int64), known)
            fresh = []
            for event, name, sent in zip(group, ids, old.tolist(), strict=True):
                if sent or name in seen:
                    self.counts["events sent before"] += 1
                else:
                    seen.add(name)
                    fresh.append(event)
            kept = [event for event in fresh if not self.erasures.forgets(event)]
            self.counts["events of erased people"] += len(fresh) - len(kept)
            yield kept

    def _behaviour_rows(
        self, groups: Iterable[Sequence[Mapping[str, Any]]], clock: rows.Clock
    ) -> Iterator[Planned | Refused]:
        for group in groups:
            documents = self._documents({str(event.get("item_id")) for event in group})
            for event in group:
                name = str(event.get("tenant") or "default"), str(event.get("item_id"))
                made = rows.behaviour(event, documents.get(name), self._scheme, clock)
                if self.erasures.covers(made.person, made.time):  # its own clock said that it was later
                    self.counts["events of erased people"] += 1
                    continue
                if isinstance(made, Planned):
                    self._people[made.person] = rows.seen(self._people.get(made.person), made)
                yield made

    def _documents(self, names: set[str]) -> dict[tuple[str, str], str]:
        """The documents of each tenant that go by these names: their own ids, or those that the customer gave them."""
        table, wanted = self._active, pa.array(sorted(names), pa.string())
        found: dict[tuple[str, str], str] = {}
        for column in ("source_id", "doc_id"):  # a document's own id goes before another's name
            for row in table.filter(pc.is_in(table[column], value_set=wanted)).to_pylist():
                found[row["tenant"], row[column]] = row["doc_id"]
        return found

    def _write(self, table: Table, made: Iterable[Planned | Refused]) -> None:
        """Write the rows as requests, and the dead letters of those that AIRec would refuse."""
        refused: list[Refused] = []
        waiting: list[Planned] = []

        def fit() -> Iterator[Any]:
            for one in made:
                if isinstance(one, Refused):
                    refused.append(one)
                else:
                    waiting.append(one)
                    yield one.row

        number = count = 0
        for batch in batches(fit()):
            held_back, waiting[:] = waiting[len(batch) :], waiting[: len(batch)]
            run_files.write_batch(self.oss, self.name, table, number, waiting)
            waiting[:] = held_back
            number, count = number + 1, count + len(batch)
            self.held.check()
        where = dead_letters.key(self.instance, self.corpus, table, manifests.tag(self.name), "check")
        dead_letters.write(self.oss, where, refused)
        self._requests[table], self._wanted[table], self._refused[table] = number, count, len(refused)
