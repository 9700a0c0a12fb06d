"""Elasticsearch as a part of the local stack: its launcher in the foreground, the server as the launcher's child."""

from __future__ import annotations

import shutil

import yaml

from searchloom.stack.opensearch import LOG_CONFIGURATION, Node
from searchloom.stack.part import Part, answers

SECURITY_FILES = ("role_mapping.yml", "roles.yml", "users", "users_roles")


def part(node: Node) -> Part:
    """Describe Elasticsearch on ``node``. Security is off: it listens on loopback only."""

    def prepare() -> None:
        node.make_folders()
        conf = node.folder("conf")
        (conf / "jvm.options.d").mkdir(exist_ok=True)
        for name in SECURITY_FILES:
            shutil.copyfile(node.home / "config" / name, conf / name)
        (conf / "log4j2.properties").write_text(LOG_CONFIGURATION, encoding="utf-8")
        configuration = node.configuration() | {
            "xpack.security.enabled": False,
            "xpack.security.autoconfiguration.enabled": False,
        }
        (conf / "elasticsearch.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        options = [
            f"-Xms{node.heap}", f"-Xmx{node.heap}", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={node.folder('tmp')}", "--add-modules=jdk.incubator.vector",
            "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
        ]  # fmt: skip
        (conf / "jvm.options").write_text("\n".join([*options, ""]), encoding="utf-8")
        node.hand_over()

    launcher = ("-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-XX:-UsePerfData")
    environment = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(node.folder("tmp")),
        "ES_HOME": str(node.home),
        "ES_PATH_CONF": str(node.folder("conf")),
        "ES_TMPDIR": str(node.folder("tmp")),
        "ES_DISTRIBUTION_TYPE": "tar",
        "JAVA": str(node.jdk.java),
        "JAVA_HOME": str(node.jdk.home),
        "JAVA_TYPE": "ES_JAVA_HOME",
        "ES_JAVA_HOME": str(node.jdk.home),
        "CLI_JAVA_OPTS": " ".join(launcher),
    }
    tools = f"{node.home}/lib/tools/server-launcher/*"
    return Part(
        name="elasticsearch",
        version=node.version,
        url=node.url,
        command=(str(node.jdk.java), *launcher, "-cp", tools, "org.elasticsearch.server.launcher.ServerLauncher"),
        environment=environment,
        folder=node.home,
        health=answers(node.health_url()),
        port=node.port,
        account=node.account,
        prepare=prepare,
    )
