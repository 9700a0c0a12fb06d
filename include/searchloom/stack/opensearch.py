"""OpenSearch as a part of the local stack."""

from __future__ import annotations

import yaml

from searchloom.settings import Settings
from searchloom.stack import engine_homes, nodes
from searchloom.stack.nodes import Node
from searchloom.stack.part import Launch, Part, port_of

UNSAFE_OPTION_SINCE = 24
"""The first Java that warns of sun.misc.Unsafe, and knows the option that says it is meant."""

INFERENCE = {
    "plugins.ml_commons.only_run_on_ml_node": False,
    "plugins.ml_commons.connector.private_ip_enabled": True,  # the local services answer on loopback
    # No model runs in this server, so how full the machine is does not matter; the defaults would refuse a call.
    "plugins.ml_commons.native_memory_threshold": 100,
    "plugins.ml_commons.jvm_heap_memory_threshold": 100,
    "plugins.ml_commons.disk_free_space_threshold": 0,
}
"""Of ml-commons, where the home has it."""


def part(settings: Settings) -> Part:
    """Describe OpenSearch at ``settings.opensearch.url``."""
    url = settings.opensearch.url

    def launch() -> Launch:
        node = nodes.prepare(settings, "opensearch")
        text = yaml.safe_dump(node.configuration() | (INFERENCE if settings.opensearch.inference else {}))
        (node.folder("conf") / "opensearch.yml").write_text(text, encoding="utf-8")
        node.hand_over()
        return Launch(
            command=_command(node),
            environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(node.folder("tmp"))},
            folder=node.home,
            account=node.account,
        )

    return Part(
        name="opensearch",
        version=engine_homes.VERSIONS["opensearch"],
        url=url,
        launch=launch,
        health=nodes.recovered(url),
        port=port_of(url),
    )


def _command(node: Node) -> tuple[str, ...]:
    options = [
        *node.jvm_options(),
        f"-Djna.tmpdir={node.folder('tmp')}",
        "-Djava.awt.headless=true",
        "-Djava.locale.providers=CLDR",
        "-Dfile.encoding=UTF-8",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dio.netty.allocator.numDirectArenas=0",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "--add-opens=java.base/java.nio.channels.spi=ALL-UNNAMED",
        "--enable-native-access=ALL-UNNAMED",
        f"-Dopensearch.path.home={node.home}",
        f"-Dopensearch.path.conf={node.folder('conf')}",
        "-Dopensearch.distribution.type=tar",
        "-Dopensearch.bundled_jdk=false",
    ]
    if node.jdk.major >= UNSAFE_OPTION_SINCE:
        options.append("--sun-misc-unsafe-memory-access=allow")
    return (str(node.jdk.java), *options, "-cp", f"{node.home}/lib/*", "org.opensearch.bootstrap.OpenSearch")
