"""Deploys a model in Bailian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.bailian import BailianHook
from alibaba_ai.links.bailian import BailianDeploymentLink
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.bailian import BailianDeploymentTrigger
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_jobs import Deployment
from searchloom.errors import Transient, UsageError

_FAILED = "FAILED"
_DELETING = "DELETING"


class BailianDeployOperator(WaitingOperator):
    """Let a model serve and wait until it does; the name that calls give as model is the task's result.

    A deployment of the model that is there is scaled where its capacity differs, and else left alone, which makes
    retries and clearing safe. A killed task leaves the deployment as it is: what served before goes on serving.

    :param model: the model, as a fine-tune's result names it
    :param capacity: units that serve
    :param suffix: words in the deployment's name, which tell two deployments of one model apart
    :param plan: how it is paid for, in Bailian's words; empty: Bailian's default
    :param alibaba_bailian_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("model", "capacity", "suffix", "plan", "alibaba_bailian_conn_id")
    operator_extra_links = (BailianDeploymentLink(),)

    def __init__(
        self,
        *,
        model: str,
        capacity: int | str = 1,
        suffix: str = "",
        plan: str = "",
        alibaba_bailian_conn_id: str = BailianHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.capacity = capacity
        self.suffix = suffix
        self.plan = plan
        self.alibaba_bailian_conn_id = alibaba_bailian_conn_id

    def execute(self, context: Any) -> Any:
        """Bring the deployment to its capacity, store the link, and wait."""
        with terminal_errors_end_the_task():
            # Templated, and so checked here and not in the constructor.
            if not str(self.capacity).isdecimal() or int(self.capacity) < 1:
                raise UsageError(f"capacity of task {self.task_id!r} is {self.capacity!r}; take 1 or more")
            capacity = int(self.capacity)
            bailian = BailianHook(self.alibaba_bailian_conn_id).get_conn()
            deployment = self._deploy(bailian, capacity)
        address = BailianDeploymentLink.address(name=deployment.name)
        BailianDeploymentLink().store(context, address)
        self.log.info("Deployment %s of %s at %s: %s", deployment.name, self.model, bailian.endpoint, address)
        trigger = BailianDeploymentTrigger(
            conn_id=self.alibaba_bailian_conn_id,
            deployment=deployment.name,
            capacity=capacity,
            poll_interval_s=self.poll_interval_s,
            deadline=self.deadline(),
        )
        return self.wait(context, trigger)

    def _deploy(self, bailian: Bailian, capacity: int) -> Deployment:
        there = self._find(bailian)
        if there is not None and there.status == _FAILED:
            self.log.info("Deployment %s has failed; it is deleted and made anew.", there.name)
            bailian.delete_deployment(name=there.name)
            there = None
        if there is None:
            return self._create(bailian, capacity)
        if there.capacity != capacity:
            self.log.info("Deployment %s goes from %d to %d units.", there.name, there.capacity, capacity)
            return bailian.scale_deployment(name=there.name, capacity=capacity)
        return there

    def _create(self, bailian: Bailian, capacity: int) -> Deployment:
        try:
            return bailian.create_deployment(
                model=self.model, capacity=capacity, suffix=self.suffix or None, plan=self.plan or None
            )
        except Transient:
            # The answer may be what got lost.
            if (made := self._find(bailian)) is None:
                raise
            return made

    def _find(self, bailian: Bailian) -> Deployment | None:
        return next(
            (
                one
                for one in bailian.deployments()
                if one.model == self.model and one.name.endswith(self.suffix) and one.status != _DELETING
            ),
            None,
        )
