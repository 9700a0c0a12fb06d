"""Who orders best for each person: the local AIRec with the own ranker, against plain recommenders.

    searchloom bench personal DIR [--json]

DIR holds items.jsonl (item_id, title, text, category, tags, year) and events.jsonl (user_id, item_id, type, value,
time); fields may be missing, and types and scales may be others. Everybody learns from the first 80 % of each person's
events and is judged by what each person liked for the first time in the rest; one cut in time for all is reported
beside it. AIRec is a local cloud of its own, which is pushed the same events by its real calls.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from alibabacloud_airec20201126.client import Client
from pydantic import SecretStr
from tests.localcloud.acs_clients import call, config
from tests.servers import LocalCloud, local_cloud

from searchloom.cloud.airec import VERSION, Airec
from searchloom.cloud.airec_rows import MAX_RETURNED, Row
from searchloom.errors import SearchloomError, UsageError
from searchloom.personalization import catalog, events, trial
from searchloom.personalization.cold import cold_items, cold_persons
from searchloom.personalization.fit import Limits
from searchloom.personalization.groups import Queries
from searchloom.personalization.lexical import Bm25
from searchloom.personalization.replay import one_time, own_time
from searchloom.personalization.texts import latent_vectors
from searchloom.settings import Acs
from searchloom.settings import Airec as AirecSettings

log = logging.getLogger("benchmarks.personal")

RESULTS = Path(__file__).parent / "results" / "personal.json"
_MODEL_S = 600.0


class LocalAirec:
    """An instance of the local AIRec. Ids are made legal; times are moved, so that the last event is now."""

    def __init__(self, cloud: LocalCloud, items: list[catalog.Item], everything: events.Log) -> None:
        self._cloud = cloud
        self._acs = Acs(
            endpoint=cloud.endpoint,
            access_key_id=cloud.access_key_id,
            access_key_secret=SecretStr(cloud.access_key_secret),
            region=cloud.region,
            read_timeout_s=600,  # the first answer after a large push has all of it to read
        )
        self._client = Client(config(cloud))
        self._instance = str(self._client.create_instance().body.result.instance_id)
        self._airec = Airec(self._acs, AirecSettings(instance_id=self._instance))
        self._airec.start()
        self._later = time.time() - float(everything.time.max(initial=0.0))
        self._items = items
        self._first = np.full(len(everything.items), np.inf)
        np.minimum.at(self._first, everything.item, everything.time)
        self._pushed = 0
        self._push("item", map(self._item_row, range(len(items))))

    def learn(self, news: events.Log) -> None:
        """Push the events and wait until a model was trained with all of them."""
        order = np.argsort(news.time, kind="stable")
        self._push("behavior", (self._behavior_row(news, int(place)) for place in order))
        self._pushed += len(news)
        self._airec.start()
        until = time.monotonic() + _MODEL_S
        while (state := self._model())["state"] == "Learning":
            if time.monotonic() > until:
                raise UsageError(f"the local AIRec did not learn {self._pushed} rows within {_MODEL_S:.0f} s")
            time.sleep(0.5)
        log.info("AIRec: %s, %d of %d rows learned", state["state"], state["behaviors"], self._pushed)

    def _model(self) -> dict[str, Any]:
        path = f"/v2/openapi/instances/{self._instance}"
        return dict(call(config(self._cloud), VERSION, "DescribeInstance", "GET", path)["result"]["model"])

    def recommend(self, user_id: str) -> dict[str, float]:
        """The most that one call gives."""
        found = self._airec.recommend(user_id=user_id, count=MAX_RETURNED, scene_id="home")
        return {self._items[int(each.item_id[1:])].item_id: each.weight for each in found}

    def _push(self, table: Any, rows: Iterator[Row]) -> None:
        refused = [outcome.reason for outcome in self._airec.push(table, rows) if not outcome.ok]
        if refused:
            raise UsageError(f"AIRec refused {len(refused)} rows of {table}: {refused[0]}")

    def _item_row(self, place: int) -> Row:
        item = self._items[place]
        fields = {"item_id": f"i{place}", "item_type": "item", "title": item.title[:200], "status": "1"}
        if np.isfinite(self._first[place]):
            fields["pub_time"] = str(int(max(self._first[place] + self._later, 0)))
        if item.category:
            fields["category_path"] = item.category
        if item.tags:
            fields["tags"] = ",".join(tag.replace(",", " ") for tag in item.tags)[:1000]
        return Row(fields)

    def _behavior_row(self, news: events.Log, place: int) -> Row:
        interest = float(news.interest[place])
        kind = "like" if interest >= events.LIKED else "click" if interest > 0 else "dislike"
        moment = max(int(news.time[place] + self._later), 0)
        return Row(
            {
                "user_id": news.users[news.user[place]], "item_id": f"i{news.item[place]}", "item_type": "item",
                "bhv_type": kind, "bhv_value": "1", "bhv_time": str(moment), "trace_id": "selfhold",
            }
        )  # fmt: skip


@contextmanager
def airec_of(items: list[catalog.Item], everything: events.Log, *, wanted: bool) -> Iterator[Any]:
    """A maker of fresh instances on a local cloud of this trial's own, or of nothing."""
    if not wanted:
        yield lambda: None
        return
    with tempfile.TemporaryDirectory() as folder, local_cloud(Path(folder)) as cloud:
        yield lambda: LocalAirec(cloud, items, everything)


def run(folder: Path, sizes: trial.Sizes, *, with_airec: bool) -> dict[str, Any]:
    """The whole trial; see the module's docstring."""
    began = time.monotonic()
    items, everything = read(folder)
    vectors = latent_vectors(items)
    known = catalog.Catalog(items, vectors)
    words = Bm25([" ".join((item.title, item.text, *item.kinds, str(item.year or ""))) for item in items])
    queries = Queries.of(items, words)
    report: dict[str, Any] = {"data": about(items, everything, queries)}
    cuts = {"own_time": own_time(everything, trial.SHARE), "one_time": one_time(everything, trial.SHARE)}
    with airec_of(items, everything, wanted=with_airec) as airec:
        for name, before in cuts.items():
            log.info("split %s: %d events before the cut, %d after", name, before.sum(), (~before).sum())
            parts = everything.only(before), everything.only(~before)
            found = trial.learned(*parts, known, queries, sizes=sizes, other=airec())
            report[name] = {
                "recommend": trial.judge(found, sizes),
                "search": trial.judge_search(found, queries, sizes),
            }
            if name == "own_time":
                log.info("cold persons and items")
                report["cold_persons"] = cold_persons(found, sizes)
                report["cold_items"] = cold_items(found, known, sizes)
    log.info("shuffled users")
    mixed = trial.shuffled(everything, sizes.seed)
    before = own_time(mixed, trial.SHARE)
    found = trial.learned(mixed.only(before), mixed.only(~before), known, queries, sizes=sizes, lists=False)
    report["shuffled"] = {"search": trial.judge_search(found, queries, sizes)}
    report["seconds"] = round(time.monotonic() - began, 1)
    return report


def read(folder: Path) -> tuple[list[catalog.Item], events.Log]:
    """The items and events of a folder; raises ``UsageError`` where there are none."""
    for name in ("items.jsonl", "events.jsonl"):
        if not (folder / name).is_file():
            raise UsageError(f"{folder} has no {name}; it has to hold items.jsonl and events.jsonl")
    described = list(catalog.read_jsonl(folder / "items.jsonl"))
    everything = events.log_of(events.read_jsonl(folder / "events.jsonl"), dict.fromkeys(i.item_id for i in described))
    if len(everything.users) < 2:
        raise UsageError(f"{folder}/events.jsonl holds events of {len(everything.users)} persons; a trial needs more")
    return catalog.complete(described, everything.items), everything


def about(items: list[catalog.Item], everything: events.Log, queries: Queries) -> dict[str, Any]:
    """Sizes of the set."""
    return {
        "items": len(items),
        "persons": len(everything.users),
        "events": len(everything),
        "liked": int(everything.liked.sum()),
        "queries": len(queries.answers),
        "items_with_a_kind": sum(bool(item.kinds) for item in items),
        "items_with_a_year": sum(item.year is not None for item in items),
    }


def table(report: Mapping[str, Any]) -> Iterator[str]:
    """The report as lines to read."""
    for split in ("own_time", "one_time", "shuffled"):
        for task, figures in report[split].items():
            yield f"{split} {task}: {figures['persons']} persons, {figures['lists']} lists"
            for name, value in sorted(figures["ndcg@10"].items(), key=lambda each: -each[1]):
                gap = figures["differences"].get(f"personal - {name}")
                beside = (
                    f"  personal {gap['mean']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}] {gap['relative'] or 0:+.1%}"
                    if gap
                    else ""
                )
                yield f"  {name:12s} {value:.4f}{beside}"
    for name in ("cold_persons", "cold_items"):
        yield f"{name}: {json.dumps(report[name])}"


def main() -> None:
    """Run the trial of the command line's folder."""
    parser = argparse.ArgumentParser(prog="searchloom bench personal", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print the report as JSON and nothing else")
    parser.add_argument("--without-airec", action="store_true", help="leave the local AIRec out")
    parser.add_argument("--persons", type=int, default=2000, help="judge so many persons at most")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help=f"write the report to {RESULTS}")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    sizes = trial.Sizes(judged_persons=chosen.persons, limits=Limits(threads=chosen.threads))
    try:
        report = run(chosen.folder, sizes, with_airec=not chosen.without_airec)
    except SearchloomError as error:
        sys.stderr.write(f"searchloom: {error}\n")
        sys.exit(2)
    if chosen.keep:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1) if chosen.json else "\n".join(table(report)))


if __name__ == "__main__":
    main()
