"""Airflow's REST API (v2), as much of it as ``searchloom run`` needs. Runs, tasks and events are Airflow's own JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

import requests
import stamina

from searchloom.errors import ServiceConflict, ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Airflow

Json = dict[str, Any]

_TIMEOUT_S = (5.0, 60.0)
_PAGE = 100
_BUSY = {429, 500, 502, 503, 504}


class AirflowApi:
    """One Airflow. While it is unavailable, calls are repeated, bounded and jittered, except those for backfills."""

    def __init__(self, settings: Airflow) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._token = ""
        self.url = settings.url.rstrip("/")

    def dag(self, dag_id: str) -> Json:
        """Return what Airflow knows of a DAG; ``ServiceNotFound`` where there is none; never retried."""
        return self._call("GET", f"/dags/{dag_id}")

    def dags(self) -> list[Json]:
        """Every DAG."""
        return list(self._pages("/dags", "dags"))

    def import_errors(self) -> list[Json]:
        """DAG files that could not be imported: ``filename`` and ``stack_trace`` of each."""
        return list(self._pages("/importErrors", "import_errors"))

    def assets(self) -> list[Json]:
        """Every asset with the DAGs that produce it and those that it sets off."""
        return list(self._pages("/assets", "assets"))

    @stamina.retry(on=ServiceUnavailable, attempts=8, timeout=60)
    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, *, conf: Json, partition_key: str | None = None) -> Json:
        """Start a run now; ``ServiceRefused`` for a conf or a key that the DAG does not take."""
        # An id of its own lets the call be repeated: the second of two equal ones is refused.
        run_id = f"manual__{datetime.now(UTC).isoformat()}"
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf, "partition_key": partition_key}
        try:
            return self._trigger(dag_id, body)
        except ServiceConflict:
            return self.run(dag_id, run_id)

    @stamina.retry(on=ServiceUnavailable, attempts=8, timeout=60)
    def _trigger(self, dag_id: str, body: Json) -> Json:
        return self._call("POST", f"/dags/{dag_id}/dagRuns", json=body)

    def backfill(self, dag_id: str, *, first: date, last: datetime, conf: Json) -> list[Json]:
        """Create a run for each partition from ``first`` until ``last``, one after the other; return the runs.

        Airflow leaves out partitions of which a run is in flight. ``ServiceConflict`` while another backfill of the
        DAG runs, ``ServiceRefused`` where there is no partition in the range.
        """
        body = {
            "dag_id": dag_id,
            "from_date": f"{first.isoformat()}T00:00:00Z",
            "to_date": last.isoformat(),
            "dag_run_conf": conf,
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
        }
        created = self._call("POST", "/backfills", json=body)["created_at"]
        runs = self._pages(f"/dags/{dag_id}/dagRuns", "dag_runs", run_type="backfill", order_by="id")
        return [run for run in runs if run["queued_at"] >= created]

    def run(self, dag_id: str, run_id: str) -> Json:
        """Return one run as it stands."""
        return self._get(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")

    def tasks(self, dag_id: str, run_id: str) -> list[Json]:
        """The task instances of a run, mapped ones one by one."""
        return list(self._pages(f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances", "task_instances"))

    def set_off(self, dag_id: str, *, since: datetime) -> list[Json]:
        """Return the runs of a DAG that assets have set off since a moment, oldest first."""
        query = {"run_type": "asset_triggered", "run_after_gte": since.isoformat(), "order_by": "run_after"}
        return list(self._pages(f"/dags/{dag_id}/dagRuns", "dag_runs", **query))

    def result(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what a task returned; None where it returned nothing."""
        run = f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        try:
            return self._get(f"{run}/taskInstances/{task_id}/xcomEntries/return_value")["value"]
        except ServiceNotFound:
            return None

    def log(self, task: Json) -> list[str]:
        """Lines that a task instance wrote in its last try."""
        run = f"/dags/{task['dag_id']}/dagRuns/{quote(task['dag_run_id'], safe='')}"
        path = f"{run}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
        content = self._get(path, map_index=task["map_index"], full_content="true")["content"]
        return [_line(entry) for entry in content]

    def _pages(self, path: str, name: str, **query: Any) -> Iterator[Json]:
        offset = 0
        while True:
            page = self._get(path, limit=_PAGE, offset=offset, **query)
            yield from page[name]
            offset += _PAGE
            if offset >= (page["total_entries"] or 0):
                return

    @stamina.retry(on=ServiceUnavailable, attempts=8, timeout=60)
    def _get(self, path: str, **query: Any) -> Json:
        return self._call("GET", path, params=query)

    def _call(self, method: str, path: str, **arguments: Any) -> Json:
        response = self._send(method, f"/api/v2{path}", **arguments)
        if response.status_code == requests.codes.unauthorized:  # no token yet, or it has run out
            self._token = self._new_token()
            response = self._send(method, f"/api/v2{path}", **arguments)
        _check(response, self.url)
        return dict(response.json())

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._session.request(method, self.url + path, headers=headers, timeout=_TIMEOUT_S, **arguments)
        except requests.RequestException as error:
            raise ServiceUnavailable(
                "Airflow does not answer; 'searchloom up' starts it, 'searchloom status' shows what runs",
                endpoint=self.url,
            ) from error

    def _new_token(self) -> str:
        """Log in; an Airflow that takes everyone for an admin gives a token to those who just ask."""
        password = self._settings.password.get_secret_value()
        if password:
            credentials = {"username": self._settings.username, "password": password}
            response = self._send("POST", "/auth/token", json=credentials)
        else:
            response = self._send("GET", "/auth/token")
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise ServiceRefused(
                f"Airflow refused user {self._settings.username!r}; check airflow.username and airflow.password",
                code=str(response.status_code),
                endpoint=self.url,
            )
        _check(response, self.url)
        return str(response.json()["access_token"])


def _check(response: requests.Response, endpoint: str) -> None:
    if response.ok:
        return
    status, detail = response.status_code, _detail(response)
    if status in _BUSY:
        raise ServiceUnavailable(f"Airflow could not answer: {detail}", code=str(status), endpoint=endpoint)
    refusals = {requests.codes.not_found: ServiceNotFound, requests.codes.conflict: ServiceConflict}
    raise refusals.get(status, ServiceRefused)(detail, code=str(status), endpoint=endpoint)


def _detail(response: requests.Response) -> str:
    """Return the first line of what Airflow says."""
    try:
        detail = response.json()["detail"]
    except (requests.JSONDecodeError, KeyError, TypeError):
        detail = response.text or response.reason
    if isinstance(detail, list):  # pydantic's form
        detail = "; ".join(str(item.get("msg", item)) if isinstance(item, dict) else str(item) for item in detail)
    return str(detail).strip().split("\n", 1)[0]


def _line(entry: Any) -> str:
    """One log entry as a line: time, level, text, and the exception if there is one."""
    if not isinstance(entry, dict):
        return str(entry)
    time = str(entry.get("timestamp") or "")[11:19]
    line = " ".join(part for part in (time, str(entry.get("level") or "").upper(), str(entry.get("event"))) if part)
    causes = entry.get("error_detail") or []
    return "\n".join([line, *(f"    {cause.get('exc_type')}: {cause.get('exc_value')}" for cause in causes)])
