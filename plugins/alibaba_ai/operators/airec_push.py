"""Pushes rows of an object of OSS to AIRec."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.airec import AirecHook
from alibaba_ai.hooks.oss import OssHook
from alibaba_ai.links.airec import AirecInstanceLink
from alibaba_ai.rows import Command, rows_of
from searchloom.cloud.airec import Airec
from searchloom.cloud.airec_rows import MAX_ROWS, Outcome, Row, Table
from searchloom.cloud.oss import Oss
from searchloom.errors import UsageError

_STATE = "airec_push"
_TABLES = ("item", "user", "behavior")


class AirecPushOperator(BaseOperator):  # type: ignore[misc]  # Airflow is Any to mypy here
    """Send the rows of a parquet or JSON lines object to a table of AIRec, in requests of the documented size.

    The task's result is ``{"table", "pushed", "refused", "report"}``. Refused rows are written to OSS with their
    reasons, below ``report``. A retry goes on after the last request that was answered: behaviour can only be added,
    so what was answered is never sent twice; a request whose answer got lost may be.

    :param table: ``item``, ``user`` or ``behavior``
    :param key: key of the object, ``.parquet`` or ``.jsonl``
    :param columns: name in the file -> AIRec's field; empty: every column under its own name
    :param command: ``add``, ``update`` or ``delete``
    :param max_refused: more refused rows than this fail the task, once every row was sent
    :param report: prefix of the refused rows in the bucket
    :param alibaba_airec_conn_id: id of AIRec's connection
    :param alibaba_oss_conn_id: id of the bucket's connection
    """

    template_fields: Sequence[str] = (
        "table",
        "key",
        "columns",
        "command",
        "max_refused",
        "report",
        "alibaba_airec_conn_id",
        "alibaba_oss_conn_id",
    )
    template_fields_renderers = {"columns": "json"}  # noqa: RUF012  as in Airflow's own operators
    operator_extra_links = (AirecInstanceLink(),)
    ui_color = "#fff1e0"

    def __init__(
        self,
        *,
        table: Table | str,
        key: str,
        columns: Mapping[str, str] | None = None,
        command: Command = "add",
        max_refused: int | str = 0,
        report: str = "airec/refused/{{ dag.dag_id }}/{{ task.task_id }}/{{ run_id | replace('/', '-') }}/",
        alibaba_airec_conn_id: str = AirecHook.default_conn_name,
        alibaba_oss_conn_id: str = OssHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.key = key
        self.columns = columns or {}
        self.command = command
        self.max_refused = max_refused
        self.report = report
        self.alibaba_airec_conn_id = alibaba_airec_conn_id
        self.alibaba_oss_conn_id = alibaba_oss_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Push what was not pushed by an earlier try."""
        with terminal_errors_end_the_task(), tempfile.TemporaryDirectory(prefix="airec-push-") as folder:
            table = self._checked_table()
            hook = AirecHook(self.alibaba_airec_conn_id)
            airec, oss = hook.get_conn(), OssHook(self.alibaba_oss_conn_id).get_conn()
            link = AirecInstanceLink.address(region=hook.region(), instance_id=airec.instance_id)
            AirecInstanceLink().store(context, link)
            path = Path(folder) / PurePosixPath(self.key).name
            oss.download(self.key, path)
            notes = self._notes(context, oss)
            rows = islice(rows_of(path, columns=self.columns, command=self.command), notes["read"], None)
            for outcomes in _pushed(airec, table, rows):
                self._note(context, oss, notes, outcomes)
        return self._judged(table, notes)

    def _checked_table(self) -> Table:
        # Templated, and so checked here and not in the constructor.
        if self.table not in _TABLES:
            raise UsageError(f"table {self.table!r} of task {self.task_id!r} is none of {', '.join(_TABLES)}")
        if not str(self.max_refused).isdecimal():
            raise UsageError(f"max_refused of task {self.task_id!r} is {self.max_refused!r}, not a whole number")
        return self.table  # type: ignore[return-value]

    def _notes(self, context: Any, oss: Oss) -> dict[str, Any]:
        ti, etag = context["ti"], oss.head(self.key).etag
        known = context["task_state_store"].get(_STATE)
        # A cleared task (max_tries was raised) and another object begin at the first row.
        if known and (known["max_tries"], known["etag"]) == (ti.max_tries, etag):
            self.log.info("%d rows of %s were read by an earlier try.", known["read"], self.key)
            return dict(known)
        return {"max_tries": ti.max_tries, "etag": etag, "read": 0, "refused": 0, "reason": ""}

    def _note(self, context: Any, oss: Oss, notes: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
        refused = [outcome for outcome in outcomes if not outcome.ok]
        if refused:
            lines = [json.dumps({"fields": dict(each.row.fields), "reason": each.reason}) for each in refused]
            oss.put(f"{self.report}{notes['read']:09d}.jsonl", "\n".join(lines).encode() + b"\n")
            notes["reason"] = notes["reason"] or refused[0].reason
        notes["read"] += len(outcomes)
        notes["refused"] += len(refused)
        context["task_state_store"].set(_STATE, notes)
        self.log.info("%d rows of %s were sent, %d of them refused.", notes["read"], self.key, notes["refused"])

    def _judged(self, table: Table, notes: Mapping[str, Any]) -> dict[str, Any]:
        refused, allowed = int(notes["refused"]), int(self.max_refused)
        if refused > allowed:
            raise AirflowFailException(
                f"AIRec refused {refused} of {notes['read']} rows of {self.key!r} ({allowed} are allowed), the first "
                f"because {notes['reason']}; all of them are below {self.report!r} in the bucket"
            )
        report = self.report if refused else ""
        return {"table": table, "pushed": int(notes["read"]) - refused, "refused": refused, "report": report}


def _pushed(airec: Airec, table: Table, rows: Iterator[Row]) -> Iterator[Sequence[Outcome]]:
    while window := list(islice(rows, MAX_ROWS)):
        yield list(airec.push(table, window))
