"""Which personal model serves each corpus, and what is known of persons: followed in the background.

A new version is fetched, its persons are made from the event log, and only then it takes over; until then the old one
serves. Nothing here is waited for by a request. Imports of numpy and lmdb wait for the first model.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from searchloom.errors import SearchloomError, ServiceUnavailable
from searchloom.personalization.heard import STATE_FOLDER, Heard, Recently, key_of
from searchloom.query.events.schema import Record
from searchloom.settings import Personal as PersonalSettings

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss
    from searchloom.personalization.persons import Persons
    from searchloom.personalization.privacy import Marks
    from searchloom.personalization.serve import Personal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """One version of the personal order of one corpus."""

    version: str
    personal: Personal
    persons: Persons
    folder: Path


Forget = Callable[[Mapping[str, float]], None]
"""Told of everybody who was erased: key in hexadecimal -> moment."""


class PersonalModels:
    """Follows the pointers, the event log and the erasures in a thread of its own."""

    def __init__(
        self, settings: PersonalSettings, state: Path, open_store: Callable[[], Oss], forget: Forget = lambda _: None
    ) -> None:
        self._settings = settings
        self._folder = state / STATE_FOLDER
        self._open_store = open_store
        self._forget = forget
        self._serving: dict[str, Serving] = {}
        self._recently: dict[str, Recently] = {}
        self._trouble: dict[str, str] = {}
        self._etags: dict[str, str] = {}
        self._replaced: list[Serving] = []
        self._marks: Marks | None = None
        self._oss: Oss | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="personal", daemon=True)

    def start(self) -> None:
        """Begin to follow; where no personal order is wanted, erasures alone."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following, and let go of the files; what is under way is waited for a moment."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        if not self._thread.is_alive():
            for one in (*self._serving.values(), *self._replaced):
                one.persons.close()
            self._serving, self._replaced = {}, []

    def serving(self, corpus: str) -> Serving | None:
        """What serves a corpus; None where nothing was published for it.

        Raises ``ServiceUnavailable`` where something was, and it cannot be used.
        """
        found = self._serving.get(corpus)
        if found is None and corpus in self._trouble:
            raise ServiceUnavailable(self._trouble[corpus])
        return found

    def heard(self, record: Record) -> None:
        """Take in what somebody has just done; it counts from the next search on."""
        recently = self._recently.get(record.corpus)
        if recently is not None and record.type not in {"expose", "empty"}:
            did = Heard(record.item_id, record.type, record.time.timestamp(), record.value)
            recently.add(key_of(record.user_id, record.tenant), did)

    def refresh(self) -> None:
        """Look once; raises what the store raises, with everything known left in place."""
        from searchloom.personalization import published  # noqa: PLC0415  see above
        from searchloom.personalization.privacy import Marks  # noqa: PLC0415

        oss = self._oss = self._oss or self._open_store()
        self._marks = self._marks or Marks()
        marks = self._marks.read(oss)
        self._forget(marks)
        self._close_replaced()
        pointers = published.pointers(oss) if self._settings.enabled else {}
        for corpus in self._serving.keys() - pointers.keys():
            self._replaced.append(self._serving.pop(corpus))
            self._etags.pop(corpus, None)
        for corpus, etag in pointers.items():
            self._recently.setdefault(corpus, Recently())
            try:
                if corpus in self._serving:
                    self._serving[corpus].persons.catch_up(oss, marks, self._stop)
                if self._etags.get(corpus) != etag:
                    self._follow(oss, corpus, published.current(oss, corpus), marks)
                    self._etags[corpus] = etag
            except (SearchloomError, OSError, ValueError, KeyError) as error:
                self._fail(corpus, error)
            else:
                self._trouble.pop(corpus, None)

    def _follow(self, oss: Oss, corpus: str, version: str | None, marks: Mapping[str, float]) -> None:
        from searchloom.personalization import published  # noqa: PLC0415
        from searchloom.personalization.persons import Persons  # noqa: PLC0415
        from searchloom.personalization.serve import Personal  # noqa: PLC0415

        old = self._serving.get(corpus)
        if version is None or (old and old.version == version):
            return
        folder = self._folder / corpus / version
        personal = Personal.load(published.fetch(oss, version, folder / "model"))
        persons = Persons(folder / "persons", personal, self._recently[corpus], corpus=corpus, days=self._settings.days)
        try:
            count = persons.catch_up(oss, marks, self._stop)
        except BaseException:
            persons.close()
            raise
        self._serving[corpus] = Serving(version, personal, persons, folder)
        if old:
            self._replaced.append(old)
        self._clear(corpus, {version, old.version if old else version})
        log.info("corpus %s: personal model %s serves, %d events were read", corpus, version, count)

    def _clear(self, corpus: str, kept: set[str]) -> None:
        """Delete versions that an earlier process left; one that still has them open loses nothing by it."""
        for folder in (self._folder / corpus).iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _close_replaced(self) -> None:
        """Those that were replaced in the round before: no order that began with one is still under way."""
        for one in self._replaced:
            one.persons.close()
            shutil.rmtree(one.folder, ignore_errors=True)
        self._replaced = []

    def _fail(self, corpus: str, error: Exception) -> None:
        if corpus not in self._trouble:  # once, not every time
            log.warning("corpus %s: the personal order cannot be brought up to date: %s", corpus, error)
        self._trouble[corpus] = str(error)

    def _run(self) -> None:
        failing = False
        while not self._stop.is_set():
            try:
                self.refresh()
            except (SearchloomError, OSError, ValueError, KeyError) as error:
                if not failing:
                    log.warning("personal models stay as they are, for the object store cannot be read: %s", error)
                failing = True
            else:
                failing = False
            self._stop.wait(self._settings.refresh_s)
