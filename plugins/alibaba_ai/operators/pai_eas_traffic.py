"""Changes a model service of PAI-EAS that is there: its share of the traffic, its version, its size, its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.pai import PaiHook
from alibaba_ai.links.pai import PaiEasServiceLink
from alibaba_ai.links.stored import StoredLink
from alibaba_ai.operators.pai_eas import link_to
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.pai_eas import PaiEasServiceGoneTrigger, PaiEasServiceTrigger
from searchloom.errors import UsageError


class _OfService(WaitingOperator):
    """A task about one service."""

    operator_extra_links: Sequence[StoredLink] = (PaiEasServiceLink(),)

    def __init__(self, *, service: str, alibaba_pai_conn_id: str = PaiHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.service = service
        self.alibaba_pai_conn_id = alibaba_pai_conn_id

    def until_it_serves(self, context: Any, **wanted: Any) -> Any:
        """Wait for the service."""
        trigger = PaiEasServiceTrigger(
            conn_id=self.alibaba_pai_conn_id,
            service=self.service,
            poll_interval_s=self.poll_interval_s,
            deadline=self.deadline(),
            **wanted,
        )
        return self.wait(context, trigger)

    def number(self, name: str, lowest: int) -> int:
        """Return a templated number; ``UsageError`` for anything else."""
        value = getattr(self, name)
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name} of task {self.task_id!r} is {value!r}, not a whole number") from error
        if number < lowest:
            raise UsageError(f"{name} of task {self.task_id!r} is {number}; take {lowest} or more")
        return number


class PaiEasReleaseOperator(_OfService):
    """Give a service its share of its group's traffic (blue/green); the weight is the task's result.

    The share is ``weight`` by the sum of the weights of the group's services. Saying it again changes nothing.

    :param service: name of the service
    :param weight: 0 to 100
    :param traffic: ``grouping``, or ``standalone`` to take the service out of its group's traffic
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("service", "weight", "traffic", "alibaba_pai_conn_id")

    def __init__(
        self, *, weight: int | str, traffic: Literal["grouping", "standalone"] = "grouping", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.weight = weight
        self.traffic = traffic

    def execute(self, context: Any) -> int:
        """Set the weight; that is done at once."""
        with terminal_errors_end_the_task():
            weight = self.number("weight", 0)
            eas = PaiHook(self.alibaba_pai_conn_id).eas()
            PaiEasServiceLink().store(context, link_to(eas, self.service))
            eas.release(name=self.service, weight=weight, traffic=self.traffic)
        self.log.info("Service %s takes %s traffic of weight %d.", self.service, self.traffic, weight)
        return weight


class PaiEasRollBackOperator(_OfService):
    """Let a former version of a service serve again and wait until it does; the URL is the task's result.

    :param service: name of the service
    :param version: number of the version
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("service", "version", "alibaba_pai_conn_id")

    def __init__(self, *, version: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.version = version

    def execute(self, context: Any) -> Any:
        """Roll back, unless that version serves, and wait."""
        with terminal_errors_end_the_task():
            version = self.number("version", 1)
            eas = PaiHook(self.alibaba_pai_conn_id).eas()
            PaiEasServiceLink().store(context, link_to(eas, self.service))
            before = eas.describe(name=self.service).version
            if before != version:
                eas.roll_back(name=self.service, version=version)
                self.log.info("Service %s goes from version %d to %d.", self.service, before, version)
        return self.until_it_serves(context, version=version, exactly=True)


class PaiEasScaleOperator(_OfService):
    """Let a number of instances serve and wait until they do; the URL is the task's result.

    :param service: name of the service
    :param instances: how many
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("service", "instances", "alibaba_pai_conn_id")

    def __init__(self, *, instances: int | str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instances = instances

    def execute(self, context: Any) -> Any:
        """Scale, unless so many are asked for already, and wait."""
        with terminal_errors_end_the_task():
            instances = self.number("instances", 1)
            eas = PaiHook(self.alibaba_pai_conn_id).eas()
            PaiEasServiceLink().store(context, link_to(eas, self.service))
            before = eas.describe(name=self.service).instances
            if before != instances:
                eas.scale(name=self.service, instances=instances)
                self.log.info("Service %s goes from %d to %d instances.", self.service, before, instances)
        return self.until_it_serves(context, instances=instances)


class PaiEasDeleteOperator(_OfService):
    """Delete a service with its versions and wait until it is gone; its name is the task's result.

    A service that is not there is as good as deleted.

    :param service: name of the service
    :param alibaba_pai_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("service", "alibaba_pai_conn_id")
    operator_extra_links = ()

    def execute(self, context: Any) -> Any:
        """Delete and wait."""
        with terminal_errors_end_the_task():
            eas = PaiHook(self.alibaba_pai_conn_id).eas()
            if eas.find(name=self.service) is None:
                self.log.info("There is no service %s at %s.", self.service, eas.endpoint)
                return self.service
            eas.delete(name=self.service)
        trigger = PaiEasServiceGoneTrigger(
            conn_id=self.alibaba_pai_conn_id,
            service=self.service,
            poll_interval_s=self.poll_interval_s,
            deadline=self.deadline(),
        )
        return self.wait(context, trigger)
