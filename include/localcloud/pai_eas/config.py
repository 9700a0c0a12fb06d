"""A service's JSON: what it must hold, how two of them are merged, and what it means for a process."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.acs.errors import (
    AcsError,
    invalid_parameter,
    missing_parameter,
    number_in,
    object_in,
    objects_in,
    text_in,
)
from localcloud.mounts import Mount, MountError, localized, parse_uri

# The name is part of a path; EAS allows lower-case letters, digits and underscores.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DEFAULT_PORT = 8000
_DEFAULT_QUEUE = 64
_DEFAULT_KEEPALIVE_MS = 600_000
_MAX_INSTANCES = 8


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """The JSON of one version of a service, checked."""

    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The service's name."""
        return str(self.content.get("name") or self._metadata.get("name") or "")

    @property
    def group(self) -> str | None:
        """The group of services that share an entry, if any."""
        return self._metadata.get("group") or None

    @property
    def instances(self) -> int:
        """How many processes serve."""
        return int(self._metadata.get("instance", 1))

    @property
    def token(self) -> str | None:
        """The token that callers must send, if the author chose one."""
        return self.content.get("token") or None

    @property
    def queue_size(self) -> int:
        """How many requests one process may have at a time."""
        return int(self._rpc.get("max_queue_size") or _DEFAULT_QUEUE)

    @property
    def timeout_s(self) -> float:
        """How long one request may take."""
        return float(self._rpc.get("keepalive") or _DEFAULT_KEEPALIVE_MS) / 1000

    @property
    def _metadata(self) -> Mapping[str, Any]:
        metadata: Mapping[str, Any] = self.content.get("metadata") or {}
        return metadata

    @property
    def _rpc(self) -> Mapping[str, Any]:
        rpc: Mapping[str, Any] = self._metadata.get("rpc") or {}
        return rpc

    def checked(self) -> ServiceConfig:
        """Itself; raises the refusal of a JSON that cannot be served here."""
        metadata = object_in(self.content, "metadata")
        for content, field in (
            (self.content, "name"),
            (self.content, "token"),
            (metadata, "name"),
            (metadata, "group"),
        ):
            text_in(content, field)
        if not self.name:
            raise missing_parameter("name")
        if not _NAME.fullmatch(self.name):
            raise invalid_parameter("name", self.name, "a lower-case letter, then letters, digits and underscores")
        if self.group is not None and (not _NAME.fullmatch(self.group) or self.group == self.name):
            raise invalid_parameter("metadata.group", self.group, "a name of its own, formed like a service's name")
        number_in(metadata, "instance", 1, low=0, high=_MAX_INSTANCES)
        rpc = object_in(metadata, "rpc")
        number_in(rpc, "max_queue_size", _DEFAULT_QUEUE, low=1, high=100_000)
        number_in(rpc, "keepalive", _DEFAULT_KEEPALIVE_MS, low=1, high=_DEFAULT_KEEPALIVE_MS)
        self._check_containers()
        try:
            self.mounts(Path())
        except MountError as error:
            raise AcsError(400, "InvalidParameter", str(error)) from None
        return self

    def _check_containers(self) -> None:
        containers = objects_in(self.content, "containers")
        if len(containers) != 1 or not (text_in(containers[0], "script") or text_in(containers[0], "command")):
            raise AcsError(
                400,
                "InvalidParameter",
                "The service JSON must have exactly one entry in containers, with a script or command; "
                "processors and several containers are not run here.",
            )
        number_in(containers[0], "port", _DEFAULT_PORT, low=1, high=65535)
        for entry in objects_in(containers[0], "env"):
            name, value = text_in(entry, "name"), str(entry.get("value") or "")
            if not name or "=" in name or "\0" in value:
                raise invalid_parameter("env", entry, "a name and a value that an environment can hold")

    def mounts(self, folder: Path) -> list[Mount]:
        """The folders that ``storage`` asks for, below ``folder``; raises ``MountError``.

        Services only read: what a process writes there goes nowhere.
        """
        mounts = []
        for number, entry in enumerate(objects_in(self.content, "storage")):
            path, target = text_in(object_in(entry, "oss"), "path"), text_in(entry, "mount_path")
            if not path or not target.startswith("/") or not target.strip("/"):
                raise MountError(f"The storage entry {number} must have oss.path and an absolute mount_path.")
            bucket, prefix = parse_uri(path)
            mounts.append(Mount(bucket, prefix, entry["mount_path"], folder / str(number), writable=False))
        return mounts

    def command(self, port: int, mounts: Sequence[Mount]) -> str:
        """The container's command with mounted paths and its port as they are here."""
        container = self.content["containers"][0]
        declared = str(container.get("port") or _DEFAULT_PORT)
        text = localized(_command_of(container), mounts)
        # Several processes of one machine cannot all have the port that the container was written for.
        return re.sub(rf"(?<![\w.]){declared}(?![\w.])", str(port), text)

    def environment(self, port: int, mounts: Sequence[Mount]) -> dict[str, str]:
        """The container's own variables, the mounted folders, and ``PORT``."""
        entries = self.content["containers"][0].get("env") or []
        own = {str(entry["name"]): localized(str(entry.get("value") or ""), mounts) for entry in entries}
        folders = {f"MOUNT_PATH_{number}": str(mount.folder) for number, mount in enumerate(mounts)}
        return {**own, **folders, "PORT": str(port), "SERVICE_NAME": self.name}

    def same_but_instances(self, other: ServiceConfig) -> bool:
        """Whether going from one to the other is a matter of more or fewer processes."""
        return _without_instances(self.content) == _without_instances(other.content)

    def merged(self, change: Mapping[str, Any]) -> ServiceConfig:
        """With the change laid over it, object by object; lists are replaced."""
        return ServiceConfig(_merge(self.content, change))


def _command_of(container: Mapping[str, Any]) -> str:
    return str(container.get("script") or container.get("command") or "")


def _merge(old: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in change.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both and before is not None else value
    return merged


def _without_instances(content: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in (content.get("metadata") or {}).items() if key != "instance"}
    return {**content, "metadata": metadata}
