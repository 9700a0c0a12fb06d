"""Elasticsearch as a part of the local stack: its launcher leads, the server is the launcher's child."""

from __future__ import annotations

import shutil

import yaml

from searchloom.settings import Settings
from searchloom.stack import engine_homes, nodes
from searchloom.stack.nodes import Node
from searchloom.stack.part import Launch, Part, port_of

CONFIGURATION_FILES = ("role_mapping.yml", "roles.yml", "users", "users_roles")
LAUNCHER_OPTIONS = ("-Xms4m", "-Xmx64m", "-XX:+UseSerialGC", "-XX:-UsePerfData")


def part(settings: Settings) -> Part:
    """Describe Elasticsearch at ``settings.elasticsearch.url``. Security is off: it listens on loopback only."""
    url = settings.elasticsearch.url

    def launch() -> Launch:
        node = nodes.prepare(settings, "elasticsearch")
        _configure(node)
        node.hand_over()
        tools = f"{node.home}/lib/tools/server-launcher/*"
        main = "org.elasticsearch.server.launcher.ServerLauncher"
        return Launch(
            command=(str(node.jdk.java), *LAUNCHER_OPTIONS, "-cp", tools, main),
            environment=_environment(node),
            folder=node.home,
            account=node.account,
        )

    return Part(
        name="elasticsearch",
        version=engine_homes.VERSIONS["elasticsearch"],
        url=url,
        launch=launch,
        health=nodes.recovered(url),
        port=port_of(url),
    )


def _configure(node: Node) -> None:
    conf = node.folder("conf")
    (conf / "jvm.options.d").mkdir(exist_ok=True)
    for name in CONFIGURATION_FILES:
        shutil.copyfile(node.home / "config" / name, conf / name)
    security = {"xpack.security.enabled": False, "xpack.security.autoconfiguration.enabled": False}
    text = yaml.safe_dump(node.configuration() | security)
    (conf / "elasticsearch.yml").write_text(text, encoding="utf-8")
    options = [
        *node.jvm_options(),
        "-XX:-AlwaysPreTouch",  # the launcher's default takes the whole heap at once, used or not
        "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
        "",
    ]
    (conf / "jvm.options").write_text("\n".join(options), encoding="utf-8")


def _environment(node: Node) -> dict[str, str]:
    return {
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
        "CLI_JAVA_OPTS": " ".join(LAUNCHER_OPTIONS),
    }
