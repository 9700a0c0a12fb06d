"""Fine-tunes a model in Bailian."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from airflow.sdk.exceptions import AirflowFailException

from alibaba_ai.failures import terminal_errors_end_the_task
from alibaba_ai.hooks.bailian import BailianHook
from alibaba_ai.hooks.oss import OssHook
from alibaba_ai.links.bailian import BailianFineTuneLink
from alibaba_ai.operators.same_job import notes_of, store
from alibaba_ai.operators.waiting import WaitingOperator
from alibaba_ai.triggers.bailian import BailianFineTuneTrigger
from searchloom.cloud.bailian import Bailian
from searchloom.cloud.bailian_jobs import FineTune
from searchloom.errors import SearchloomError, Transient, UsageError

_STATE = "bailian_fine_tune"


class BailianFineTuneOperator(WaitingOperator):
    """Fine-tune a model and wait for its end; the name of the model that it makes is the task's result.

    There is one fine-tune, whatever dies (``same_job``): what is uploaded bears a name that was noted before, and the
    job is found by its files. A retry goes on with a fine-tune that runs or has succeeded; a cleared task cancels what
    is left of the former one and starts another.

    :param model: the model to begin with
    :param training: keys of JSON lines in the bucket, which are uploaded, or ids of files that are in Bailian
    :param validation: the same for validation
    :param files: whether ``training`` and ``validation`` are ``keys`` or ``ids``
    :param hyper_parameters: Bailian's own (``n_epochs``, ``learning_rate``, ``batch_size``...)
    :param training_type: ``efficient_sft`` (LoRA), ``sft``, ``dpo_lora`` or ``dpo_full``
    :param suffix: words in the new model's name
    :param alibaba_bailian_conn_id: id of Bailian's connection
    :param alibaba_oss_conn_id: id of the bucket's connection
    """

    template_fields: Sequence[str] = (
        "model",
        "training",
        "validation",
        "hyper_parameters",
        "training_type",
        "suffix",
        "alibaba_bailian_conn_id",
        "alibaba_oss_conn_id",
    )
    template_fields_renderers = {"hyper_parameters": "json"}  # noqa: RUF012  as in Airflow's own operators
    operator_extra_links = (BailianFineTuneLink(),)

    def __init__(
        self,
        *,
        model: str,
        training: Sequence[str],
        validation: Sequence[str] = (),
        files: Literal["keys", "ids"] = "keys",
        hyper_parameters: Mapping[str, Any] | None = None,
        training_type: Literal["sft", "efficient_sft", "dpo_full", "dpo_lora"] = "efficient_sft",
        suffix: str = "",
        alibaba_bailian_conn_id: str = BailianHook.default_conn_name,
        alibaba_oss_conn_id: str = OssHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.training = training
        self.validation = validation
        self.files = files
        self.hyper_parameters = hyper_parameters or {}
        self.training_type = training_type
        self.suffix = suffix
        self.alibaba_bailian_conn_id = alibaba_bailian_conn_id
        self.alibaba_oss_conn_id = alibaba_oss_conn_id
        self._bailian: Bailian | None = None
        self._notes: dict[str, Any] = {}
        self._killed = False

    def execute(self, context: Any) -> Any:
        """Find or start the fine-tune, store its link, and wait."""
        with terminal_errors_end_the_task():
            if not self.training or isinstance(self.training, str):
                raise UsageError(f"training of task {self.task_id!r} is {self.training!r}; give a list of {self.files}")
            self._bailian = bailian = BailianHook(self.alibaba_bailian_conn_id).get_conn()
            self._notes = self._settle(context, bailian)
            job = _find(bailian, self._notes) or self._start(context, bailian)
            if self._killed:
                # The signal came while the job was being made, so that on_kill may not have found it.
                bailian.cancel_fine_tune(job_id=job.job_id)
                raise AirflowFailException(f"the task was killed; fine-tune {job.job_id} of Bailian was cancelled")
        address = BailianFineTuneLink.address(job_id=job.job_id)
        BailianFineTuneLink().store(context, address)
        context["ti"].xcom_push(key="job_id", value=job.job_id)
        self.log.info("Fine-tune %s of %s at %s: %s", job.job_id, self.model, bailian.endpoint, address)
        trigger = BailianFineTuneTrigger(
            conn_id=self.alibaba_bailian_conn_id,
            job_id=job.job_id,
            poll_interval_s=self.poll_interval_s,
            deadline=self.deadline(),
        )
        return self.wait(context, trigger)

    def on_kill(self) -> None:
        """Cancel the fine-tune. Airflow calls this from a signal handler: no look-up of connections here."""
        self._killed = True
        if self._bailian is None:
            return
        try:
            if (job := _find(self._bailian, self._notes)) is not None and not job.finished:
                self._bailian.cancel_fine_tune(job_id=job.job_id)
                self.log.info("Fine-tune %s was cancelled.", job.job_id)
        except SearchloomError as error:
            self.log.warning("The fine-tune of %s may still run: %s", self._notes.get("training"), error)

    def _settle(self, context: Any, bailian: Bailian) -> dict[str, Any]:
        def stop(job: FineTune) -> None:
            self.log.info("Fine-tune %s belongs to the task before it was cleared; it is cancelled.", job.job_id)
            bailian.cancel_fine_tune(job_id=job.job_id)

        return notes_of(context, _STATE, label="", find=lambda known: _find(bailian, known), stop=stop)

    def _start(self, context: Any, bailian: Bailian) -> FineTune:
        notes = self._notes
        if "before" not in notes:
            notes["training"] = self._file_ids(bailian, self.training, "training")
            notes["validation"] = self._file_ids(bailian, self.validation, "validation")
            # Fine-tunes of others on the same files, where the task was given ids.
            notes["before"] = [job.job_id for job in _on_files(bailian, notes["training"])]
            store(context, _STATE, notes)
        try:
            return bailian.create_fine_tune(
                model=self.model,
                training_files=notes["training"],
                validation_files=notes["validation"],
                hyper_parameters=self.hyper_parameters,
                training_type=self.training_type,
                suffix=self.suffix or None,
            )
        except Transient:
            # The answer may be what got lost.
            if (made := _find(bailian, notes)) is None:
                raise
            return made

    def _file_ids(self, bailian: Bailian, given: Sequence[str], kind: str) -> list[str]:
        """Return the ids of the files; what an earlier try uploaded is found by its name."""
        if self.files == "ids" or not given:
            return list(given)
        oss = OssHook(self.alibaba_oss_conn_id).get_conn()
        there = {name: file_id for file_id, name in bailian.file_names()}
        ids: list[str] = []
        with tempfile.TemporaryDirectory(prefix="bailian-") as folder:
            for number, key in enumerate(given):
                path = Path(folder) / f"{self._notes['name']}-{kind}-{number}.jsonl"
                if path.name not in there:
                    oss.download(key, path)
                    there[path.name] = bailian.upload_file(path=path, description=key)
                    self.log.info("%s is file %s of Bailian.", key, there[path.name])
                ids.append(there[path.name])
        return ids


def _on_files(bailian: Bailian, training: Sequence[str]) -> list[FineTune]:
    return [job for job in bailian.fine_tunes() if list(job.training_files) == list(training)]


def _find(bailian: Bailian, notes: Mapping[str, Any]) -> FineTune | None:
    if "before" not in notes:
        return None
    return next((job for job in _on_files(bailian, notes["training"]) if job.job_id not in notes["before"]), None)
