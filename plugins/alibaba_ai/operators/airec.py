"""Lets data and ranking models serve in AIRec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.airec import AirecHook
from alibaba_ai.links.airec import AirecInstanceLink
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.airec import RUNNING, AirecDataSetTrigger, AirecRankingModelTrigger
from searchloom.cloud.airec import Airec
from searchloom.errors import ServiceConflict, UsageError

_STATE = "airec_import"


class _OfInstance(WaitingOperator):
    """A task about one instance."""

    operator_extra_links = (AirecInstanceLink(),)

    def __init__(self, *, alibaba_airec_conn_id: str = AirecHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alibaba_airec_conn_id = alibaba_airec_conn_id

    def connect(self, context: Any) -> Airec:
        """Return the client; the link to the instance's page is stored."""
        hook = AirecHook(self.alibaba_airec_conn_id)
        airec = hook.get_conn()
        link = AirecInstanceLink.address(region=hook.region(), instance_id=airec.instance_id)
        AirecInstanceLink().store(context, link)
        return airec

    def waiting(self) -> dict[str, Any]:
        """Return the arguments that every trigger takes."""
        return {
            "conn_id": self.alibaba_airec_conn_id,
            "poll_interval_s": self.poll_interval_s,
            "deadline": self.deadline(),
        }


class AirecImportOperator(_OfInstance):
    """Let the data that was pushed serve, as a new data set (RunInstance), or let a known one serve (AttachDataset).

    Waits until it serves; the data set's version is the task's result. A retry does not start a second import. AIRec
    has no call that stops an import, so a killed task leaves it.

    :param data_set: version of the data set to attach; empty: a new one of what was pushed
    :param alibaba_airec_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("data_set", "alibaba_airec_conn_id")

    def __init__(self, *, data_set: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_set = data_set

    def execute(self, context: Any) -> Any:
        """Start the import or attach the data set, and wait."""
        with terminal_errors_end_the_task():
            airec = self.connect(context)
            if self.data_set:
                airec.attach_data_set(version_id=self.data_set)
                trigger = AirecDataSetTrigger(data_set=self.data_set, **self.waiting())
            else:
                trigger = AirecDataSetTrigger(before=self._import(context, airec), **self.waiting())
        return self.wait(context, trigger)

    def _import(self, context: Any, airec: Airec) -> Sequence[str]:
        """Start the import unless an earlier try did; return the data sets that were there before it."""
        ti, store = context["ti"], context["task_state_store"]
        known = store.get(_STATE)
        running = airec.state() == RUNNING
        there = [data_set.version_id for data_set in airec.data_sets()]
        if known and known["max_tries"] == ti.max_tries:
            before = list(known["before"])
            if running and set(there) - set(before):
                self.log.info("An earlier try has started the import.")
                return before
        else:
            # An instance that does not run yet takes its first data set, which is there from the start.
            before = there if running else []
            store.set(_STATE, {"max_tries": ti.max_tries, "before": before})
        airec.start()
        self.log.info("Instance %s at %s imports what was pushed.", airec.instance_id, airec.endpoint)
        return before


class AirecDeployRankingOperator(_OfInstance):
    """Register a ranking model that runs elsewhere, wait until AIRec reaches it, and let a ranking system serve it.

    The ranking system's name is the task's result. What is registered already is left as it is, so that retries and
    clearing are safe: another model takes another id.

    :param model: AIRec's description of the model: ``rankingModelId``, ``meta`` with the ``url``...
    :param system: AIRec's description of the ranking system: ``name``...
    :param deployment: AIRec's description of the deployment (scenes, traffic)
    :param alibaba_airec_conn_id: id of the connection
    """

    template_fields: Sequence[str] = ("model", "system", "deployment", "alibaba_airec_conn_id")
    template_fields_renderers = {  # noqa: RUF012  as in Airflow's own operators
        "model": "json",
        "system": "json",
        "deployment": "json",
    }

    def __init__(
        self,
        *,
        model: Mapping[str, Any],
        system: Mapping[str, Any],
        deployment: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.system = system
        self.deployment = deployment or {}

    def execute(self, context: Any) -> Any:
        """Register what is missing and wait until AIRec reaches the model."""
        with terminal_errors_end_the_task():
            model_id, name = self._named("model", "rankingModelId"), self._named("system", "name")
            airec = self.connect(context)
            self._ensure(f"ranking model {model_id}", lambda: airec.create_ranking_model(model=self.model))
            self._ensure(f"ranking system {name}", lambda: airec.create_ranking_system(system=self.system))
        return self.wait(context, AirecRankingModelTrigger(model_id=model_id, **self.waiting()), then="deploy")

    def deploy(self, context: Any, event: dict[str, str]) -> str:
        """Let the ranking system serve, now that AIRec reaches the model."""
        self.succeeded(event)
        name = self._named("system", "name")
        with terminal_errors_end_the_task():
            self.connect(context).deploy_ranking_system(name=name, deployment=self.deployment)
        self.log.info("Ranking system %s is deployed.", name)
        return name

    def _named(self, field: str, key: str) -> str:
        # Templated, and so checked here and not in the constructor.
        name = getattr(self, field).get(key)
        if not isinstance(name, str) or not name:
            raise UsageError(f"{field} of task {self.task_id!r} has no {key}; add it")
        return name

    def _ensure(self, what: str, create: Callable[[], None]) -> None:
        try:
            create()
        except ServiceConflict:
            self.log.info("AIRec has %s already.", what.replace("_", " "))
