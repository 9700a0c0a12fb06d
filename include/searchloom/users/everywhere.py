"""One person, in all places that keep something of people: event log, conversations, the stores that serve, AIRec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from searchloom.behaviour import privacy as behaviour
from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_names import user_key
from searchloom.cloud.airec_rows import Row
from searchloom.cloud.oss import Oss
from searchloom.errors import Terminal
from searchloom.personalization import privacy
from searchloom.personalization.heard import STATE_FOLDER, key_of
from searchloom.personalization.store import Store
from searchloom.query.chat.conversations import FILE, Conversations
from searchloom.settings import Settings


def export(oss: Oss, settings: Settings, user: str, *, tenant: str) -> dict[str, Any]:
    """Everything that is known of a person, as JSON; of one whom nobody knows the lists are empty.

    AIRec can be asked for no user: what it was told of him stands in the notes of the syncs, which are here (``airec``)
    with the rows that wait for it and those that it refused.
    """
    known = privacy.export(oss, user, tenant=tenant)
    stores = {}
    for name, folder in _stores(settings.state):
        with _opened(folder, writes=False) as store:
            if store is not None:
                stores[name] = privacy.stored(store, user, tenant=tenant)
    with _conversations(settings) as kept:
        said = [
            {"corpus": one.corpus, "last": one.last, "turns": [*map(asdict, one.turns)]}
            for one in kept.told(tenant, user)
        ]
    mark = privacy.erased(oss).get(key_of(user, tenant).hex())
    told = behaviour.export(oss, user, tenant=tenant, events=known["events"])
    return {**known, "stores": stores, "conversations": said, "airec": told, "erased": mark}


def erase(oss: Oss, settings: Settings, user: str, *, tenant: str) -> dict[str, Any]:
    """Erase a person everywhere; doing it again is harmless. Returns counts, and what AIRec was told.

    Query modules on other machines read the mark within ``personal.refresh_s``, erase him from their stores and forget
    what he said; the next sync takes him out of its notes and dead letters.
    """
    counts: dict[str, Any] = dict(privacy.erase(oss, user, tenant=tenant))
    for _, folder in _stores(settings.state):
        with _opened(folder, writes=True) as store:
            counts["persons"] += int(store is not None and store.erase(key_of(user, tenant)))
    with _conversations(settings) as kept:
        counts["conversations"] = kept.forget(tenant, user)
    return {**counts, "airec": _erase_from_airec(settings, user, tenant)}


def _erase_from_airec(settings: Settings, user: str, tenant: str) -> str:
    if not settings.airec.instance_id:
        return "no instance is set"
    row = Row({"user_id": user_key(tenant, user)}, cmd="delete")
    for outcome in Airec(settings.acs, settings.airec).push("user", [row]):
        if not outcome.ok:
            raise Terminal(f"AIRec did not delete user {user!r}: {outcome.reason}")
    return "the user's row is deleted"


@contextmanager
def _conversations(settings: Settings) -> Iterator[Conversations]:
    """Those of this machine, which its query modules share."""
    with closing(Conversations(settings.state / FILE, settings.chat)) as kept:
        yield kept


def _stores(state: Path) -> list[tuple[str, Path]]:
    """The stores of the query modules on this machine, by corpus and version."""
    found = sorted((state / STATE_FOLDER).glob("*/*/persons/data.mdb"))
    return [(f"{path.parents[2].name}/{path.parents[1].name}", path.parent) for path in found]


@contextmanager
def _opened(folder: Path, *, writes: bool) -> Iterator[Store | None]:
    """The store, or None where a query module has just deleted it."""
    try:
        store = Store(folder, writes=writes)
    except Terminal:
        if folder.is_dir():
            raise
        yield None
        return
    with store:
        yield store
