"""Services and their versions on disk."""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.acs.errors import AcsError, invalid_parameter
from localcloud.database import Database
from localcloud.pai_eas.config import ServiceConfig
from localcloud.timestamps import now_ms

_SCHEMA = """
CREATE TABLE IF NOT EXISTS services (
    name TEXT PRIMARY KEY, id TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    workspace TEXT, labels TEXT NOT NULL, group_name TEXT, started INTEGER NOT NULL, version INTEGER NOT NULL,
    instances INTEGER NOT NULL, weight INTEGER NOT NULL, traffic_state TEXT NOT NULL, token TEXT NOT NULL,
    generation INTEGER NOT NULL, scaler TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    service TEXT NOT NULL REFERENCES services (name) ON DELETE CASCADE, version INTEGER NOT NULL,
    config TEXT NOT NULL, built_ms INTEGER NOT NULL, PRIMARY KEY (service, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups (
    name TEXT PRIMARY KEY, token TEXT NOT NULL, created_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""
_COLUMNS = ("labels", "started", "version", "instances", "weight", "traffic_state", "generation", "scaler")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a service's JSON; ``built_ms`` in milliseconds since the epoch."""

    number: int
    config: ServiceConfig
    built_ms: int


@dataclass(frozen=True, slots=True)
class Group:
    """Services behind one entry."""

    name: str
    token: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Service:
    """One service as it should be. A new ``generation`` asks for fresh processes; ``weight`` -1 counts instances."""

    name: str
    id: str
    created_ms: int
    updated_ms: int
    workspace: str | None
    labels: dict[str, str]
    group: str | None
    started: bool
    version: int
    latest: int
    instances: int
    weight: int
    traffic_state: str
    token: str
    generation: int
    scaler: dict[str, Any] | None
    config: ServiceConfig

    @property
    def share(self) -> int:
        """The service's part of its group's traffic, relative to the others'."""
        if not self.started or self.traffic_state != "grouping":
            return 0
        return self.instances if self.weight < 0 else self.weight


class Services:
    """All services of one state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._database = Database(root / "services.sqlite", _SCHEMA)

    def create(self, config: ServiceConfig, workspace: str | None, labels: dict[str, str]) -> Service:
        """Take a new service in, to be started; raises ``ServiceAlreadyExists``."""
        moment = now_ms()
        with self._database.transaction() as connection:
            taken = "SELECT 1 FROM services WHERE name = ? UNION ALL SELECT 1 FROM groups WHERE name = ?"
            if connection.execute(taken, (config.name, config.name)).fetchone():
                raise AcsError(409, "ServiceAlreadyExists", f"Service {config.name} already exists.")
            token = config.token or secrets.token_hex(20)
            if config.group is not None:
                token = _group_token(connection, config.group, token)
            connection.execute(
                "INSERT INTO services VALUES (?, ?, ?, ?, ?, ?, ?, 1, 1, ?, 100, 'standalone', ?, 0, NULL)",
                (
                    config.name, f"eas-m-{secrets.token_hex(8)}", moment, moment, workspace, json.dumps(labels),
                    config.group, config.instances, token,
                ),
            )  # fmt: skip
            _add_version(connection, config.name, 1, config)
            return _service_of(connection, config.name)

    def get(self, name: str) -> Service:
        """The service; raises ``ServiceNotFound``."""
        with self._database.transaction() as connection:
            return _service_of(connection, name)

    def all(self) -> list[Service]:
        """Every service, the oldest first."""
        with self._database.transaction() as connection:
            names = [row["name"] for row in connection.execute("SELECT name FROM services ORDER BY created_ms, name")]
            return [_service_of(connection, name) for name in names]

    def change(self, name: str, **changes: Any) -> None:
        """Set columns of a service."""
        unknown = set(changes) - set(_COLUMNS)
        if unknown:
            raise ValueError(f"A service has no {', '.join(sorted(unknown))} to change.")
        values = [json.dumps(value) if column in {"labels", "scaler"} else value for column, value in changes.items()]
        columns = ", ".join(f"{column} = ?" for column in changes)
        with self._database.transaction() as connection:
            _service_of(connection, name)
            statement = f"UPDATE services SET {columns}, updated_ms = ? WHERE name = ?"  # noqa: S608 - our own names
            connection.execute(statement, (*values, now_ms(), name))

    def update(self, name: str, config: ServiceConfig) -> None:
        """Serve another JSON: a new version, or only another number of instances."""
        with self._database.transaction() as connection:
            service = _service_of(connection, name)
            if (config.name, config.group) != (name, service.group):
                raise invalid_parameter("name and metadata.group", (config.name, config.group), "as they were created")
            if config.same_but_instances(service.config):
                self._replace_config(connection, service, config)
                self.change(name, instances=config.instances)
            else:
                _add_version(connection, name, service.latest + 1, config)
                self.change(name, version=service.latest + 1, instances=config.instances)

    def _replace_config(self, connection: sqlite3.Connection, service: Service, config: ServiceConfig) -> None:
        connection.execute(
            "UPDATE versions SET config = ? WHERE service = ? AND version = ?",
            (json.dumps(config.content), service.name, service.version),
        )

    def versions(self, name: str) -> list[Version]:
        """The versions of a service, the newest first."""
        with self._database.transaction() as connection:
            _service_of(connection, name)
            rows = connection.execute("SELECT * FROM versions WHERE service = ? ORDER BY version DESC", (name,))
            return [_version_of(row) for row in rows]

    def delete(self, name: str) -> None:
        """Forget a service, and its group if it was the last one."""
        with self._database.transaction() as connection:
            service = _service_of(connection, name)
            connection.execute("DELETE FROM services WHERE name = ?", (name,))
            connection.execute(
                "DELETE FROM groups WHERE name = ? AND NOT EXISTS (SELECT 1 FROM services WHERE group_name = ?)",
                (service.group, service.group),
            )

    def groups(self) -> list[Group]:
        """Every group, the oldest first."""
        with self._database.transaction() as connection:
            return [Group(**row) for row in connection.execute("SELECT * FROM groups ORDER BY created_ms, name")]


def _group_token(connection: sqlite3.Connection, group: str, token: str) -> str:
    """The token that all services of the group share."""
    if connection.execute("SELECT 1 FROM services WHERE name = ?", (group,)).fetchone():
        raise AcsError(409, "ServiceAlreadyExists", f"The group cannot be called {group}: a service has that name.")
    connection.execute("INSERT OR IGNORE INTO groups VALUES (?, ?, ?)", (group, token, now_ms()))
    return str(connection.execute("SELECT token FROM groups WHERE name = ?", (group,)).fetchone()["token"])


def _add_version(connection: sqlite3.Connection, name: str, number: int, config: ServiceConfig) -> None:
    row = (name, number, json.dumps(config.content), now_ms())
    connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", row)


def _service_of(connection: sqlite3.Connection, name: str) -> Service:
    row = connection.execute(
        "SELECT services.*, config, (SELECT max(version) FROM versions WHERE service = name) AS latest FROM services "
        "JOIN versions ON versions.service = name AND versions.version = services.version WHERE name = ?",
        (name,),
    ).fetchone()
    if row is None:
        raise AcsError(404, "ServiceNotFound", f"Service {name} does not exist.")
    columns = dict(row)
    columns["group"] = columns.pop("group_name")
    columns["started"] = bool(columns["started"])
    columns["labels"] = json.loads(columns["labels"])
    columns["scaler"] = json.loads(columns["scaler"] or "null")
    columns["config"] = ServiceConfig(json.loads(columns["config"]))
    return Service(**columns)


def _version_of(row: sqlite3.Row) -> Version:
    return Version(row["version"], ServiceConfig(json.loads(row["config"])), row["built_ms"])
