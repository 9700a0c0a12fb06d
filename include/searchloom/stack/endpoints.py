"""Where the parts listen and with which secrets: chosen once, remembered, written down for everyone.

``endpoints.yaml`` has the shape of ``settings.Settings`` and is one of its layers; ``memory.yaml`` holds what only the
stack itself needs: the secrets, and which port a part had, so that it gets the same one again. Both have mode 600.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, YamlConfigSettingsSource

from searchloom import settings as settings_module
from searchloom.errors import UsageError
from searchloom.settings import Settings
from searchloom.stack import ports
from searchloom.stack.part import port_of

ENDPOINTS = "endpoints.yaml"
LOCAL_WORKSPACE = "local"
LOCAL_AIREC = "airec-cn-local"
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
OWNERS = {
    "localcloud": "oss.endpoint",
    "opensearch": "opensearch.url",
    "elasticsearch": "elasticsearch.url",
    "airflow-api-server": "airflow.url",
    "embedding": "embedding.url",
    "query": "query.url",
}
"""Part -> the setting that says where it answers."""


def _token() -> str:
    return secrets.token_hex(32)


class Memory(BaseModel):
    """What the stack remembers from one start to the next."""

    model_config = ConfigDict(extra="forbid")

    ports: dict[str, int] = {}
    access_key_id: str = Field(default_factory=lambda: f"LTAI{secrets.token_hex(8)}")
    access_key_secret: str = Field(default_factory=_token)
    embedding_token: str = Field(default_factory=_token)
    api_key: str = Field(default_factory=lambda: f"sk-{secrets.token_hex(16)}")
    airflow_password: str = Field(default_factory=lambda: secrets.token_urlsafe(12))
    airflow_secret_key: str = Field(default_factory=_token)
    airflow_jwt_secret: str = Field(default_factory=_token)
    airflow_fernet_key: str = Field(default_factory=lambda: base64.urlsafe_b64encode(os.urandom(32)).decode())


class Asked(Settings):
    """The settings as the user wants them: without what an earlier start wrote down."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave ``endpoints.yaml`` out."""
        sources = super().settings_customise_sources(
            settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings
        )
        return tuple(source for source in sources if not _is_endpoints(source))


def _is_endpoints(source: PydanticBaseSettingsSource) -> bool:
    return isinstance(source, YamlConfigSettingsSource) and cast("Path", source.yaml_file_path).name == ENDPOINTS


def url_of(settings: Settings, part: str) -> str:
    """Return where a part answers, by the settings."""
    group, _, key = OWNERS[part].partition(".")
    return str(getattr(getattr(settings, group), key))


def is_local(settings: Settings, part: str) -> bool:
    """Tell whether a part is one of this machine's: a cluster with another address is somebody else's to start."""
    return urlsplit(url_of(settings, part)).hostname in LOCAL_HOSTS


def recall(state: Path) -> Memory:
    """Read what the stack remembers, or draw new secrets. Raises ``UsageError`` for a file that was damaged."""
    path = state / "memory.yaml"
    if not path.is_file():
        return Memory()
    try:
        return Memory.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read; 'make down', remove the file, and 'searchloom up' again") from error


def settle(settings: Settings, wanted: set[str], running: Callable[[str], bool]) -> Settings:
    """Choose a port for every wanted part of this machine, write the endpoints, return the settings that now hold.

    A part that runs keeps its port. A port that the user asked for must be free; otherwise the last one or the
    default is preferred, and the next free one taken. Raises ``UsageError`` when a port that was asked for is busy.
    """
    asked, state = Asked(profile=settings.profile), settings.state
    state.mkdir(parents=True, exist_ok=True)
    memory = recall(state)
    chosen: dict[str, int] = {}
    for part in OWNERS:
        if is_local(asked, part):
            chosen[part] = _choose(
                part, asked, memory, set(chosen.values()), needed=part in wanted and not running(part)
            )
    memory.ports = chosen
    _write(state / "memory.yaml", memory.model_dump())
    _write(state / ENDPOINTS, _endpoints(chosen, memory, asked))
    settings_module.load.cache_clear()
    return settings_module.load()


def _choose(part: str, asked: Settings, memory: Memory, avoid: set[int], *, needed: bool) -> int:
    url, default = url_of(asked, part), url_of(Settings.model_construct(), part)
    remembered = memory.ports.get(part)
    if not needed:
        return remembered or port_of(url)
    if url != default:
        if not ports.is_free(port_of(url)):
            raise UsageError(
                f"port {port_of(url)} of {OWNERS[part]} = {url} is taken by another process; "
                "stop that process, or ask for another port"
            )
        return port_of(url)
    if remembered and remembered not in avoid and ports.is_free(remembered):
        return remembered
    return ports.find_free(port_of(url), avoid)


def _endpoints(chosen: dict[str, int], memory: Memory, asked: Settings) -> dict[str, dict[str, str]]:
    keys = {"access_key_id": memory.access_key_id, "access_key_secret": memory.access_key_secret}
    secrets_of = {
        "oss": keys,
        "embedding": {"token": memory.embedding_token},
        "airflow": {"username": "admin", "password": memory.airflow_password},
    }
    tree: dict[str, dict[str, str]] = {}
    for part, port in chosen.items():
        group, _, key = OWNERS[part].partition(".")
        tree[group] = {key: f"http://{ports.LOOPBACK}:{port}", **secrets_of.get(group, {})}
    if "localcloud" in chosen:
        tree |= _local_cloud(tree["oss"]["endpoint"], keys, memory, asked)
    return tree


def _local_cloud(endpoint: str, keys: dict[str, str], memory: Memory, asked: Settings) -> dict[str, dict[str, str]]:
    """Return where PAI, AIRec and Bailian answer: the process that serves OSS serves them too, for the same key.

    Those that the user has elsewhere are left out.
    """
    tree: dict[str, dict[str, str]] = {}
    if urlsplit(asked.acs.endpoint).hostname in LOCAL_HOSTS:
        tree["acs"] = {"endpoint": endpoint, **keys}
        tree["pai"] = {"workspace_id": asked.pai.workspace_id or LOCAL_WORKSPACE}
        tree["airec"] = {"instance_id": asked.airec.instance_id or LOCAL_AIREC}
    if urlsplit(asked.bailian.url).hostname in LOCAL_HOSTS:
        workspace = asked.bailian.workspace_id or LOCAL_WORKSPACE
        tree["bailian"] = {"url": endpoint, "api_key": memory.api_key, "workspace_id": workspace}
    return tree


def _write(path: Path, values: object) -> None:
    """Replace a file that only its owner may read."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(values, file, sort_keys=False)
    draft.replace(path)
