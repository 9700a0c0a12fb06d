"""OpenSearch as a part of the local stack: one node on loopback, its data below the state folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from searchloom.stack.accounts import Account, give
from searchloom.stack.jdk import Jdk
from searchloom.stack.part import Part, answers

UNSAFE_OPTION_SINCE = 24
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
    """A single engine node: its home (read only), its data folder, its port and its heap (``768m``)."""

    home: Path
    data: Path
    port: int
    heap: str
    jdk: Jdk
    account: Account | None
    version: str

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def folder(self, name: str) -> Path:
        """One of its folders: data, conf, logs, snapshots, tmp."""
        return self.data / name

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
        }

    def make_folders(self) -> None:
        """Make the folders that the node writes to."""
        for name in ("data", "conf", "logs", "snapshots", "tmp"):
            self.folder(name).mkdir(parents=True, exist_ok=True)

    def hand_over(self) -> None:
        """Give the folders to the account that the node runs as."""
        give(self.data, self.account)

    def health_url(self) -> str:
        """Return the request that answers 200 once every primary shard has been recovered."""
        return f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=2s"


def part(node: Node) -> Part:
    """Describe OpenSearch on ``node``."""
    options = [
        f"-Xms{node.heap}", f"-Xmx{node.heap}", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={node.folder('tmp')}", f"-Djna.tmpdir={node.folder('tmp')}", "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8", "-Djava.locale.providers=CLDR", "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true", "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dio.netty.allocator.numDirectArenas=0", "-Dlog4j.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true",
        "--add-modules=jdk.incubator.vector", "--add-opens=java.base/java.nio.channels.spi=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED",
    ]  # fmt: skip
    if node.jdk.major >= UNSAFE_OPTION_SINCE:
        options.append("--sun-misc-unsafe-memory-access=allow")
    server = {
        "path.home": node.home,
        "path.conf": node.folder("conf"),
        "distribution.type": "tar",
        "bundled_jdk": "false",
    }
    options += [f"-Dopensearch.{key}={value}" for key, value in server.items()]

    def prepare() -> None:
        node.make_folders()
        conf = node.folder("conf")
        (conf / "log4j2.properties").write_text(LOG_CONFIGURATION, encoding="utf-8")
        (conf / "opensearch.yml").write_text(yaml.safe_dump(node.configuration()), encoding="utf-8")
        node.hand_over()

    return Part(
        name="opensearch",
        version=node.version,
        url=node.url,
        command=(str(node.jdk.java), *options, "-cp", f"{node.home}/lib/*", "org.opensearch.bootstrap.OpenSearch"),
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(node.folder("tmp"))},
        folder=node.home,
        health=answers(node.health_url()),
        port=node.port,
        account=node.account,
        prepare=prepare,
    )
