"""Waits for objects of OSS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alibaba_ai.hooks.oss import OssHook
from alibaba_ai.sensors.waiting import WaitingSensor
from alibaba_ai.triggers.oss import OssObjectsTrigger
from searchloom.errors import UsageError


class OssObjectSensor(WaitingSensor):
    """Wait until an object is there; its key is the task's result.

    :param key: key in the connection's bucket
    :param alibaba_oss_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("key", "alibaba_oss_conn_id")

    def __init__(self, *, key: str, alibaba_oss_conn_id: str = OssHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.alibaba_oss_conn_id = alibaba_oss_conn_id

    def trigger(self) -> OssObjectsTrigger:
        """Make the trigger that looks for the object."""
        return OssObjectsTrigger(conn_id=self.alibaba_oss_conn_id, key=self.key, poll_interval_s=self.poke_interval)


class OssPrefixSensor(WaitingSensor):
    """Wait until there are objects below a prefix; the prefix is the task's result.

    :param prefix: what the keys begin with
    :param at_least: so many objects are enough
    :param alibaba_oss_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("prefix", "at_least", "alibaba_oss_conn_id")

    def __init__(
        self,
        *,
        prefix: str,
        at_least: int | str = 1,
        alibaba_oss_conn_id: str = OssHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.at_least = at_least
        self.alibaba_oss_conn_id = alibaba_oss_conn_id

    def trigger(self) -> OssObjectsTrigger:
        """Make the trigger that counts the objects."""
        return OssObjectsTrigger(
            conn_id=self.alibaba_oss_conn_id,
            key=self.prefix,
            prefix=True,
            at_least=self._enough(),
            poll_interval_s=self.poke_interval,
        )

    def _enough(self) -> int:
        # Templated, and so checked here and not in the constructor.
        if not str(self.at_least).isdecimal() or int(self.at_least) < 1:
            raise UsageError(f"at_least of task {self.task_id!r} is {self.at_least!r}; take 1 or more")
        return int(self.at_least)
