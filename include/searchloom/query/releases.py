"""Which release of each corpus is live: read from the object store in the background, never while somebody waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from searchloom.errors import NotFound, SearchloomError, ServiceUnavailable, UsageError
from searchloom.query import metrics
from searchloom.release.document import Release, release_key

if TYPE_CHECKING:
    from searchloom.cloud.oss import Oss

log = logging.getLogger(__name__)

REFRESH_S = 1.0
KEPT = 3
"""Releases of a corpus that searches begun on them may go on with: the next page is of the same release."""

WarmUp = Callable[[Sequence[Release]], None]
"""Given releases that are about to serve, make their first queries as fast as the later ones; never raises."""

_PREFIX, _POINTER = "releases/", "/CURRENT"


class Releases:
    """The live release of every corpus. An object store that has vanished leaves the last known ones in force."""

    def __init__(self, open_store: Callable[[], Oss], *, refresh_s: float = REFRESH_S) -> None:
        self._open_store = open_store
        self._oss: Oss | None = None
        self._refresh_s = refresh_s
        self._live: dict[str, Release] = {}
        self._etags: dict[str, str] = {}
        self._served: dict[str, tuple[Release, ...]] = {}  # the last ones of each corpus, the live one first
        self._read = False
        self._failing = False
        self._stop = threading.Event()
        self._warm_up: WarmUp = lambda _: None

    def start(self, warm_up: WarmUp) -> None:
        """Begin to follow the object store; a release serves once it was warmed up."""
        self._warm_up = warm_up
        threading.Thread(target=self._run, name="releases", daemon=True).start()

    def stop(self) -> None:
        """Stop following; a call to the store that is under way is not waited for."""
        self._stop.set()

    @property
    def known(self) -> dict[str, Release] | None:
        """Corpus -> live release; None until the object store was read once."""
        return self._live if self._read else None

    def live(self, corpus: str) -> Release:
        """Return the live release of a corpus.

        Raises ``NotFound`` naming the corpora there are, and ``ServiceUnavailable`` before the first read.
        """
        release = self._live.get(corpus)
        if release is not None:
            return release
        if not self._read:
            raise ServiceUnavailable("the releases have not been read from the object store yet; try again in a moment")
        have = ", ".join(sorted(self._live)) or "none yet; run the DAG ingest_corpus first"
        raise NotFound(f"there is no corpus {corpus!r} to search; there are: {have}")

    def numbered(self, corpus: str, number: int) -> Release:
        """Return a release that serves, or served a short time ago; ``UsageError`` for any other one."""
        for release in self._served.get(corpus, ()):
            if release.number == number:
                return release
        now = self.live(corpus).number
        raise UsageError(
            f"page_token: it is of release {number} of {corpus!r}, and release {now} serves now; "
            "leave it out to start over"
        )

    def refresh(self) -> None:
        """Read what has changed; raises what the store raises, with everything known left in place."""
        oss = self._oss = self._oss or self._open_store()
        pointers = {
            entry.key.removeprefix(_PREFIX).removesuffix(_POINTER): entry
            for entry in oss.list(_PREFIX)
            if entry.key.endswith(_POINTER)
        }
        live = {corpus: release for corpus, release in self._live.items() if corpus in pointers}
        fresh: dict[str, Release] = {}
        for corpus, entry in pointers.items():
            if corpus not in live or self._etags.get(corpus) != entry.etag:
                number = int(oss.get_json(entry.key)["release"])
                fresh[corpus] = Release.model_validate_json(oss.get(release_key(corpus, number)))
        if fresh:
            self._warm_up([*fresh.values()])
        # Whoever searches has read the old mapping or reads the new one; both stay as they are.
        self._live, self._read = live | fresh, True
        for corpus, release in fresh.items():
            self._etags[corpus] = pointers[corpus].etag
            before = [one for one in self._served.get(corpus, ()) if one.number != release.number]
            self._served[corpus] = (release, *before[: KEPT - 1])
            metrics.release(corpus, release.number)
            log.info("corpus %s is now served from release %d", corpus, release.number)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except (SearchloomError, ValidationError, ValueError, KeyError, TypeError) as error:
                if not self._failing:  # once, not every second
                    log.warning("the releases cannot be read (%s); the last known ones stay in force", error)
                self._failing = True
            else:
                if self._failing:
                    log.info("the releases can be read again")
                self._failing = False
            self._stop.wait(self._refresh_s)
