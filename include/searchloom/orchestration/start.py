"""Start a DAG: check the call, unpause what will take part, trigger a run or create a backfill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused, UsageError
from searchloom.orchestration import keys
from searchloom.orchestration.api import AirflowApi, Json
from searchloom.settings import check_corpus


@dataclass(frozen=True, slots=True)
class Order:
    """What the caller wants: one run (of a partition, or of none), or one for each day of a range (both included)."""

    dag_id: str
    corpus: str
    partition: str | None = None
    days: tuple[date, date] | None = None
    conf: Json | None = None

    def __post_init__(self) -> None:
        """Raise ``UsageError`` for what no DAG would take, before anything is asked of Airflow."""
        check_corpus(self.corpus)
        if self.days and self.partition:
            raise UsageError("--partition is one day, --from and --to are a range: give one or the other")
        if self.days and self.days[0] > self.days[1]:
            raise UsageError(f"--from {self.days[0]} is after --to {self.days[1]}")
        if self.days and self.days[1] > _now().date():
            raise UsageError(f"--to {self.days[1]} is in the future; the last day there can be is {_now().date()}")

    @property
    def full_conf(self) -> dict[str, Any]:
        """The run's conf, with the corpus in it."""
        return {"corpus": self.corpus, **(self.conf or {})}


def start(api: AirflowApi, order: Order) -> list[Json]:
    """Start what was ordered and return Airflow's runs; ``UsageError`` where the DAG does not take it."""
    dag = _known(api, order.dag_id)
    by_asset = _set_off_by_asset(dag)
    unpause_chain(api, order.dag_id)
    try:
        if order.days and _is_hourly(dag):
            return [_trigger(api, order, keys.last_hour(day.isoformat())) for day in _each(*order.days)]
        if order.days and not by_asset:
            return _backfill(api, order, *order.days)
        if order.days:
            return [_trigger(api, order, keys.composite(order.corpus, day.isoformat())) for day in _each(*order.days)]
        partition = order.partition
        if partition and by_asset and "|" not in partition:
            partition = keys.composite(order.corpus, partition)
        if partition and _is_hourly(dag) and "T" not in partition:
            partition = keys.last_hour(partition)
        return [_trigger(api, order, partition)]
    except ServiceConflict as error:
        raise ServiceConflict(f"{error}; follow it in Airflow, or cancel it there, then call again") from error
    except ServiceRefused as error:
        raise UsageError(f"Airflow refused to run {order.dag_id!r}: {error}") from error


def set_off_by_task(assets: list[Json]) -> dict[tuple[str, str], set[str]]:
    """(DAG, task) -> the DAGs that the task's assets set off."""
    edges: dict[tuple[str, str], set[str]] = {}
    for asset in assets:
        for producer in asset["producing_tasks"]:
            followers = {dag["dag_id"] for dag in asset["scheduled_dags"]}
            edges.setdefault((producer["dag_id"], producer["task_id"]), set()).update(followers)
    return edges


def unpause_chain(api: AirflowApi, dag_id: str) -> None:
    """Unpause a DAG and all that it sets off: a paused DAG never sees the events of its assets."""
    edges = set_off_by_task(api.assets())
    waiting, seen = [dag_id], set[str]()
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            api.unpause(current)
            waiting.extend(dag for (producer, _), dags in edges.items() if producer == current for dag in dags)


def _known(api: AirflowApi, dag_id: str) -> Json:
    try:
        return api.dag(dag_id)
    except ServiceNotFound as error:
        broken = [e["filename"] for e in api.import_errors()]
        known = ", ".join(sorted(dag["dag_id"] for dag in api.dags())) or "none yet: wait for the DAG processor"
        hint = f"; these DAG files could not be imported: {', '.join(broken)}" if broken else ""
        raise UsageError(f"there is no DAG {dag_id!r}; Airflow knows: {known}{hint}") from error


def _set_off_by_asset(dag: Json) -> bool:
    return "asset" in (dag.get("timetable_summary") or dag.get("timetable_description") or "").lower()


def _is_hourly(dag: Json) -> bool:
    """Whether its schedule (cron) comes every hour: of a day its last hour is run, which takes the whole day."""
    fields = str(dag.get("timetable_summary") or "").split()
    return len(fields) == 5 and fields[1] == "*"


def _backfill(api: AirflowApi, order: Order, first: date, last: date) -> list[Json]:
    """Create the runs of a range of days by Airflow's backfill, and single runs where that has none.

    Airflow knows nothing of corpora: it leaves out a day of which any run is in flight, and of today's partition it
    makes none before the schedule's hour. Those days are triggered one by one.
    """
    until = min(datetime.combine(last, time.max, UTC), _now())
    try:
        runs = api.backfill(order.dag_id, first=first, last=until, conf=order.full_conf)
    except ServiceRefused as error:
        if "No runs to create" not in str(error):
            raise
        runs = []
    covered = {run["partition_key"] for run in runs}
    missing = [day.isoformat() for day in _each(first, last) if day.isoformat() not in covered]
    return runs + [_trigger(api, order, day) for day in missing]


def _trigger(api: AirflowApi, order: Order, partition: str | None) -> Json:
    return api.trigger(order.dag_id, conf=order.full_conf, partition_key=partition)


def _each(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _now() -> datetime:
    return datetime.now(UTC)
