"""Brings DSW instances from one status to the next: data down before they run, back up while they do and at the end.

Everything is decided by what is on disk, so that a local cloud that was killed goes on where it was.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError
from localcloud.mounts import Mount, MountError, Mounts, parse_uri
from localcloud.oss.errors import OssError
from localcloud.records import Record, Records
from localcloud.timestamps import now_ms

_log = logging.getLogger(__name__)
OF_ACCOUNT = ""
_IDLE_S = 5.0
_SYNC_S = 3.0
# Each status that leads somewhere by itself.
_NEXT = {"Creating": "ResourceAllocating", "ResourceAllocating": "EnvPreparing", "Starting": "EnvPreparing"}


class Keeper:
    """One thread for all instances: there are few, and each step of theirs is short."""

    def __init__(self, instances: Records, mounts: Mounts, root: Path) -> None:
        self._instances = instances
        self._mounts = mounts
        self._root = root
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dsw", daemon=True)

    def start(self) -> None:
        """Begin; instances that a killed local cloud left are found again."""
        self._thread.start()

    def close(self) -> None:
        """Let go of the instances as they are."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout=5)

    def wake(self) -> None:
        """Look at the instances now."""
        self._wake.set()

    def folder(self, instance: str) -> Path:
        """What an instance sees as its root: the data of ``/mnt/data`` is below ``mnt/data``."""
        return self._root / "instances" / instance

    def _run(self) -> None:
        synced = 0.0
        while not self._closing.is_set():
            self._wake.clear()
            due = time.monotonic() - synced > _SYNC_S
            synced = time.monotonic() if due else synced
            moved = False
            try:
                for record in self._instances.all(OF_ACCOUNT):
                    moved |= self._step(record, due=due)
            except (sqlite3.Error, OSError):
                _log.exception("The instances of PAI-DSW cannot be looked after; the next try comes soon.")
            if not moved:
                self._wake.wait(_IDLE_S)

    def _step(self, record: Record, *, due: bool) -> bool:
        """One step of one instance; returns whether there may be another one at once."""
        status = record.content["Status"]
        try:
            if status in _NEXT:
                return self._enter(record, _NEXT[status])
            if status == "EnvPreparing":
                for mount in self._mounts_of(record):
                    self._mounts.download(mount)
                return self._enter(record, "Running", {"RunningSinceMs": now_ms()})
            if status == "Running" and due:
                self._upload(record, everything=False)
            if status == "Stopping":
                return self._stop(record)
            if status == "Deleting":
                shutil.rmtree(self.folder(record.id), ignore_errors=True)
                self._instances.delete(OF_ACCOUNT, record.id)
        except MountError as error:
            return self._enter(record, "Failed", {"ReasonCode": "DatasetMountFailed", "ReasonMessage": str(error)})
        return False

    def _stop(self, record: Record) -> bool:
        problem = self._upload(record, everything=True)
        shutil.rmtree(self.folder(record.id), ignore_errors=True)
        ran_ms = now_ms() - record.content["RunningSinceMs"] if record.content.get("RunningSinceMs") else 0
        changes: dict[str, Any] = {"RanMs": record.content.get("RanMs", 0) + ran_ms, "RunningSinceMs": None}
        if problem:
            changes |= {"ReasonCode": "DatasetUploadFailed", "ReasonMessage": problem}
        return self._enter(record, "Stopped", changes)

    def _upload(self, record: Record, *, everything: bool) -> str:
        """Bring back what was written below the mounts; returns what went wrong, if anything did."""
        problem = ""
        for mount in self._mounts_of(record):
            try:
                if mount.folder.is_dir():
                    self._mounts.upload(mount, everything=everything)
            except OssError as error:
                problem = f"oss://{mount.bucket}/{mount.prefix} does not take the instance's files: {error.message}"
                _log.warning("Instance %s: %s", record.id, problem)
        return problem

    def _mounts_of(self, record: Record) -> list[Mount]:
        mounts = []
        for dataset in record.content["Datasets"]:
            bucket, prefix = parse_uri(dataset["Uri"])
            folder = self.folder(record.id) / dataset["MountPath"].strip("/")
            writable = dataset["MountAccess"] == "RW"
            mounts.append(Mount(bucket, prefix, dataset["MountPath"], folder, writable))
        return mounts

    def _enter(self, record: Record, status: str, changes: dict[str, Any] | None = None) -> bool:
        """Note the new status, unless somebody asked for another one meanwhile."""
        try:
            held = {"Status": record.content["Status"]}
            self._instances.change_if(OF_ACCOUNT, record.id, held, {"Status": status, **(changes or {})})
        except AcsError:
            _log.info("Instance %s went away while it was looked after.", record.id)
        return True
