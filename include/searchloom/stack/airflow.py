"""Airflow's four processes as parts of the local stack: SQLite, LocalExecutor, everything on loopback."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import httpx

from searchloom.errors import Terminal
from searchloom.orchestration import connections
from searchloom.settings import HOME, Settings
from searchloom.stack import endpoints, services
from searchloom.stack.part import Health, Launch, Part, answers, get, port_of

logger = logging.getLogger(__name__)

HEARTBEATS = {
    "scheduler": ("scheduler", "latest_scheduler_heartbeat"),
    "dag-processor": ("dag_processor", "latest_dag_processor_heartbeat"),
    "triggerer": ("triggerer", "latest_triggerer_heartbeat"),
}
"""Process -> where the API server's health page tells its last sign of life."""
_migration = threading.Lock()


def part(settings: Settings, process: str) -> Part:
    """Describe one of Airflow's processes: api-server, scheduler, dag-processor, triggerer."""
    url = settings.airflow.url
    page = f"{url}/api/v2/monitor/health"

    def launch() -> Launch:
        environment = _environment(settings, process)
        _migrate(settings, environment)
        options = ("--skip-serve-logs",) if process in {"scheduler", "triggerer"} else ()
        return Launch((sys.executable, "-m", "airflow", process, *options), environment, _home(settings))

    return Part(
        name=f"airflow-{process}",
        version=version("apache-airflow"),
        url=url,
        launch=launch,
        health=_health(settings, page, process),
        port=port_of(url) if process == "api-server" else None,
        grace=30.0,
    )


def _health(settings: Settings, page: str, process: str) -> Health:
    if process == "api-server":
        return answers(page)
    beats = _beats(page, process)
    if process != "dag-processor":
        return beats
    # An event of an asset is lost on a DAG that was not parsed yet.
    return lambda started: beats(started) and _all_parsed(_home(settings) / "airflow.db")


def _all_parsed(database: Path) -> bool:
    """Whether each of our DAG files was parsed at least once, for better or worse."""
    files = {path.name for path in (HOME / "dags").glob("*.py")}
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        rows = connection.execute("SELECT relative_fileloc FROM dag UNION SELECT filename FROM import_error")
        return files <= {Path(row[0]).name for row in rows if row[0]}
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()


def _home(settings: Settings) -> Path:
    return settings.state.resolve() / "airflow"


def _beats(page: str, process: str) -> Health:
    """Return a check that is well once the process of this start (not a former one) has given a sign of life."""
    section, key = HEARTBEATS[process]

    def check(started: float) -> bool:
        response = get(page)
        if response is None or response.status_code != httpx.codes.OK:
            return False
        state = response.json().get(section) or {}
        beat = state.get(key)
        return (
            state.get("status") == "healthy" and beat is not None and datetime.fromisoformat(beat).timestamp() > started
        )

    return check


def _migrate(settings: Settings, environment: dict[str, str]) -> None:
    """Bring the metadata database to this Airflow's schema, once a version; set its journal so that readers never wait.

    Raises ``Terminal`` with the last words of the migration when it fails.
    """
    home = _home(settings)
    stamp = home / "migrated-to"
    with _migration:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_password(settings)
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == version("apache-airflow"):
            return
        answer = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=environment, cwd=home, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode:
            last = (answer.stderr or answer.stdout).strip().splitlines()[-1:]
            raise Terminal(f"Airflow cannot migrate its database {home / 'airflow.db'}: {' '.join(last)}")
        connection = sqlite3.connect(home / "airflow.db")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        stamp.write_text(version("apache-airflow"), encoding="utf-8")


def _write_password(settings: Settings) -> None:
    path = _home(settings) / "passwords.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({settings.airflow.username: settings.airflow.password.get_secret_value()}, file)


def _environment(settings: Settings, process: str) -> dict[str, str]:
    configuration = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, options in _configuration(settings, process).items()
        for key, value in options.items()
    }
    # Another Airflow's variables in the caller's shell must not reach this one.
    inherited = {key: value for key, value in services.environment(settings).items() if not key.startswith("AIRFLOW")}
    return {
        "OMP_WAIT_POLICY": "PASSIVE",  # a task's thread that waits leaves its core to the training beside it
        **inherited,
        "AIRFLOW_HOME": str(_home(settings)),
        **configuration,
        **connections.environment(settings),
    }


def _patience(process: str) -> int:
    """Return the seconds that a writer waits for its turn: four processes share one file.

    The API server notes who did what from its event loop, which may hold up the very request that has the lock; only
    the end of this patience frees both, so it is short there. Callers repeat what it refuses.
    """
    return 8 if process == "api-server" else 60


def _configuration(settings: Settings, process: str) -> dict[str, dict[str, object]]:
    home, url = _home(settings), settings.airflow.url
    memory = endpoints.recall(settings.state)
    return {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": settings.airflow.parallelism,
            "load_examples": False,
            "dags_folder": HOME / "dags",
            "plugins_folder": HOME / "plugins",
            # The default asks the DNS, which may hang offline.
            "hostname_callable": "socket.gethostname",
            "simple_auth_manager_users": f"{settings.airflow.username}:admin",
            "simple_auth_manager_passwords_file": home / "passwords.json",
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": memory.airflow_fernet_key,
            "test_connection": "Enabled",
        },
        "database": {
            "sql_alchemy_conn": f"sqlite:///{home}/airflow.db?timeout={_patience(process)}",
        },
        "api": {
            "host": "127.0.0.1",
            "port": port_of(url),
            "base_url": url,
            "workers": 1,
            "secret_key": memory.airflow_secret_key,
        },
        "api_auth": {"jwt_secret": memory.airflow_jwt_secret},
        "logging": {"base_log_folder": home / "logs"},
        "scheduler": {
            # What a killed scheduler leaves behind is found within a minute. A busy machine may be late with a
            # heartbeat, so the limit is not shorter.
            "task_instance_heartbeat_timeout": 45,
            "task_instance_heartbeat_timeout_detection_interval": 10,
            "orphaned_tasks_check_interval": 20,
        },
        "workers": {
            # Also how long a finished task keeps its slot: the supervisor looks for the exit once an interval.
            "min_heartbeat_interval": 1,
            "max_failed_heartbeats": 30,
            "execution_api_timeout": 30,
        },
        "dag_processor": {
            # A changed file is parsed when it is seen, an unchanged one only now and then: parsing costs seconds.
            "refresh_interval": 30,
            "min_file_process_interval": 600,
            "parsing_processes": 1,
            "print_stats_interval": 600,
        },
        "usage_data_collection": {"enabled": False},
    }
