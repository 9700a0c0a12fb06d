"""Lay out a runnable home of each engine from the files that Maven brought."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path, PurePosixPath

from searchloom.errors import Terminal
from searchloom.stack.engine_lock import Artifact

OPENSEARCH = "3.6.0"
ELASTICSEARCH = "9.4.3"

# Module -> its plugin class and the module that it extends: the jars on Maven Central carry no descriptor.
OPENSEARCH_MODULES = {
    "analysis-common": ("org.opensearch.analysis.common.CommonAnalysisModulePlugin", "lang-painless"),
    "lang-painless": ("org.opensearch.painless.PainlessModulePlugin", ""),
    "lang-mustache": ("org.opensearch.script.mustache.MustacheModulePlugin", ""),
    "reindex": ("org.opensearch.index.reindex.ReindexModulePlugin", ""),
    "ingest-common": ("org.opensearch.ingest.common.IngestCommonModulePlugin", "lang-painless"),
    "mapper-extras": ("org.opensearch.index.mapper.MapperExtrasModulePlugin", ""),
    "parent-join": ("org.opensearch.join.ParentJoinModulePlugin", ""),
    "aggs-matrix-stats": ("org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin", ""),
    "geo": ("org.opensearch.geo.GeoModulePlugin", ""),
    "transport-netty4": ("org.opensearch.transport.Netty4ModulePlugin", ""),
    "search-pipeline-common": ("org.opensearch.search.pipeline.common.SearchPipelineCommonModulePlugin", ""),
    "transport-grpc": ("org.opensearch.transport.grpc.GrpcPlugin", ""),
}
ELASTICSEARCH_MODULES = {
    "apm", "x-pack-core", "x-pack-security", "aggregations", "analysis-common", "ingest-common", "lang-painless",
    "parent-join", "reindex", "rest-root", "transport-netty4", "health-shards-availability", "dot-prefix-validation",
    "user-agent",
}  # fmt: skip
ELASTICSEARCH_INFERENCE = "x-pack-inference"
"""37 MB of clients of other people's services; only a home with inference has it."""
ML_COMMONS_LEFT_OUT = "onnxruntime_gpu-"
"""300 of the plugin's 400 MB: for models inside the server, on its own GPU."""
ELASTICSEARCH_TOOLS = {"server-launcher", "server-cli", "plugin-cli", "security-cli", "ansi-console"}


def lay_out_opensearch(artifacts: list[Artifact], repository: Path, home: Path) -> None:
    """Put every jar in its folder, write the modules' descriptors, unpack the plugins.

    The repository's files are linked into the home where the file system can, so that nothing is copied.
    """
    for artifact in artifacts:
        folder = home / artifact.folder
        folder.mkdir(parents=True, exist_ok=True)
        source = artifact.path(repository)
        if artifact.kind == "zip":
            _unpack_plugin(source, folder)
        else:
            _link(source, folder / source.name)
    for module, (plugin_class, extended) in OPENSEARCH_MODULES.items():
        descriptor = {
            "name": module,
            "description": module,
            "version": OPENSEARCH,
            "opensearch.version": OPENSEARCH,
            "java.version": "21",
            "classname": plugin_class,
            "extended.plugins": extended,
            "has.native.controller": "false",
        }
        text = "".join(f"{key}={value}\n" for key, value in descriptor.items())
        (home / "modules" / module / "plugin-descriptor.properties").write_text(text, encoding="utf-8")
    for name in ("bin", "config", "extensions", "logs", "plugins"):
        # The server makes missing ones itself, which an account that does not own the home cannot.
        (home / name).mkdir(exist_ok=True)


def lay_out_elasticsearch(artifacts: list[Artifact], repository: Path, home: Path, *, inference: bool = False) -> None:
    """Take Elasticsearch out of SonarQube's zip: what a single node needs, the licence and the notice.

    With ``inference`` the module for ``_inference`` comes along. Raises ``Terminal`` if the zip holds another version.
    """
    modules = ELASTICSEARCH_MODULES | ({ELASTICSEARCH_INFERENCE} if inference else set())
    (artifact,) = artifacts
    with zipfile.ZipFile(artifact.path(repository)) as archive:
        for entry in archive.infolist():
            parts = PurePosixPath(entry.filename).parts
            if entry.is_dir() or len(parts) < 3 or parts[1] != "elasticsearch" or not _wanted(parts[2:], modules):
                continue
            target = home.joinpath(*parts[2:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
    if not (home / "lib" / f"elasticsearch-{ELASTICSEARCH}.jar").is_file():
        raise Terminal(
            f"{artifact.coordinate} does not hold Elasticsearch {ELASTICSEARCH}; engines.lock and the code differ"
        )
    for name in ("bin", "plugins"):
        (home / name).mkdir(exist_ok=True)


def _wanted(parts: tuple[str, ...], modules: set[str]) -> bool:
    match parts:
        case ("modules", module, *_):
            return module in modules
        case ("lib", "tools", tool, *_):
            return tool in ELASTICSEARCH_TOOLS
        case ("lib", "platform", platform, *_):
            return platform.startswith("linux") or os.uname().sysname == "Darwin"
        case ("lib" | "config", *_):
            return True
        case ("LICENSE.txt" | "NOTICE.txt",):
            return True
        case _:
            return False


def _unpack_plugin(source: Path, plugins: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        descriptor = archive.read("plugin-descriptor.properties").decode()
        values = dict(
            line.split("=", 1) for line in descriptor.splitlines() if "=" in line and not line.startswith("#")
        )
        wanted = [name for name in archive.namelist() if not name.startswith(ML_COMMONS_LEFT_OUT)]
        archive.extractall(plugins / values["name"], wanted)  # the archive's sha256 is the lock's


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
