"""What the two engines have in common as parts of the local stack: one node on loopback, its data below the state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import httpx

from searchloom.errors import UsageError
from searchloom.settings import EngineName, Settings
from searchloom.stack import engine_homes, jdk
from searchloom.stack.accounts import Account, engine_account, engine_base, give
from searchloom.stack.jdk import Jdk
from searchloom.stack.part import Health, get, port_of

FOLDERS = ("data", "conf", "logs", "snapshots", "tmp")
LOG_CONFIGURATION = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Node:
    """A node's home (read only), the folder it writes below, its port, its heap (``768m``), its JDK, its account."""

    home: Path
    base: Path
    port: int
    heap: str
    jdk: Jdk
    account: Account | None

    def folder(self, name: str) -> Path:
        """Return one of its folders, see ``FOLDERS``."""
        return self.base / name

    def configuration(self) -> dict[str, object]:
        """Return what both engines' main configuration file says."""
        return {
            "cluster.name": "searchloom",
            "node.name": "local",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": 0,  # a single node talks to nobody there: any free port will do
            "path.data": str(self.folder("data")),
            "path.logs": str(self.folder("logs")),
            "path.repo": [str(self.folder("snapshots"))],
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "action.auto_create_index": False,  # a write to a dropped index fails instead of making one up
        }

    def jvm_options(self) -> list[str]:
        """Return the options that both servers' JVMs take."""
        return [
            f"-Xms{self.heap}",
            f"-Xmx{self.heap}",
            "-XX:+UseG1GC",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={self.folder('tmp')}",
            "--add-modules=jdk.incubator.vector",
        ]

    def hand_over(self) -> None:
        """Give everything to the account that the node runs as."""
        give(self.base, self.account)


def prepare(settings: Settings, engine: EngineName) -> Node:
    """Find the engine's home and a JDK, make the folders that it writes to.

    Raises ``UsageError`` when the home has not been set up, or when there is no JDK.
    """
    account = engine_account()
    if not engine_homes.ready(settings, engine):
        raise UsageError(f"{engine} {engine_homes.VERSIONS[engine]} is not set up; run 'make setup'")
    base = engine_base(settings.state / "engines", account) / engine
    node = Node(
        home=engine_homes.home(settings, engine),
        base=base,
        port=port_of(settings.engine(engine).url),
        heap=settings.engine(engine).heap,
        jdk=jdk.find(account),
        account=account,
    )
    for name in FOLDERS:
        node.folder(name).mkdir(parents=True, exist_ok=True)
    (node.folder("conf") / "log4j2.properties").write_text(LOG_CONFIGURATION, encoding="utf-8")
    return node


def recovered(url: str) -> Health:
    """Return a check that is well once the node answers and every primary shard on its disk has been recovered."""

    def check(_started: float) -> bool:
        response = get(f"{url}/_cluster/health?wait_for_status=yellow&timeout=2s")
        return response is not None and response.status_code == httpx.codes.OK and not response.json()["timed_out"]

    return check
