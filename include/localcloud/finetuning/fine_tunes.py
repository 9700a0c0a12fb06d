"""The calls about fine-tunes.

API: https://help.aliyun.com/en/model-studio/create-fine-tuning-job-api
"""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcloud.dashscope.catalogue import BASE_MODEL, CLOUD_MODELS
from localcloud.dashscope.errors import invalid_parameter, model_not_found
from localcloud.dashscope.events import Events
from localcloud.dashscope.files import Files
from localcloud.dashscope.request import Request
from localcloud.finetuning.hyper_parameters import hyper_parameters_of, unused
from localcloud.finetuning.jobs import Job, Jobs
from localcloud.finetuning.supervisor import POD, Supervisor, prepare
from localcloud.line_logs import read_lines
from localcloud.sts.service import ACCOUNT_ID

WORKSPACE = "llm-local"
_TRAINING_TYPES = ("sft", "efficient_sft")
_SUFFIX = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MAX_FILES = 100


class FineTunes:
    """Fine-tunes that really train, in processes of their own."""

    def __init__(self, jobs: Jobs, files: Files, cache: Path) -> None:
        self._jobs = jobs
        self._files = files
        self._cache = cache
        self.supervisor = Supervisor(jobs)

    def create(self, request: Request) -> dict[str, Any]:
        """Take a fine-tune in; it starts by itself, when its turn comes."""
        wanted = request.json()
        training_type = wanted.get("training_type") or "sft"
        if training_type not in _TRAINING_TYPES:
            known = ", ".join(_TRAINING_TYPES)
            raise invalid_parameter(f"training_type is {training_type!r}; what is served here is {known}.")
        given = wanted.get("hyper_parameters") or {}
        if not isinstance(given, dict):
            raise invalid_parameter("hyper_parameters must be an object.")
        parameters = hyper_parameters_of(given)
        base, start_from = self._base_of(wanted.get("model"))
        job_id = self._jobs.fresh_id()
        suffix = _suffix_of(wanted)
        output = "-".join(filter(None, [base, suffix, job_id]))
        training_ids, validation_ids = _ids_of(wanted, "training_file_ids"), _ids_of(wanted, "validation_file_ids")
        if not training_ids:
            raise invalid_parameter("Missing training files: training_file_ids")
        training = {
            "job": job_id,
            "model": wanted["model"],
            "training_type": training_type,
            "hyper_parameters": asdict(parameters),
            "unused": unused(given),
            "start_from": start_from,
            "cache": str(self._cache),
            "training": [{"id": each, "name": self._files.name(each)} for each in training_ids],
            "validation": [{"id": each, "name": self._files.name(each)} for each in validation_ids],
        }
        self._take(job_id, {*training_ids, *validation_ids})
        prepare(self._jobs.folder(job_id), training)
        kept = {
            "model": wanted["model"],
            "base_model": base,
            "training_type": training_type,
            "hyper_parameters": given,
            "training_file_ids": training_ids,
            "validation_file_ids": validation_ids,
            "job_name": wanted.get("job_name") or job_id,
        }
        job = self._jobs.add(job_id, kept, output, must_fail=request.fault == "failed_job")
        self.supervisor.wake()
        return {"output": _view(job)}

    def page(self, request: Request) -> dict[str, Any]:
        """A page of the fine-tunes, the last first."""
        number, size = request.page()
        total, jobs = self._jobs.page(number, size)
        found = [_view(job) for job in jobs]
        return {"output": {"page_no": number, "page_size": size, "total": total, "jobs": found}}

    def get(self, request: Request) -> dict[str, Any]:
        """One fine-tune."""
        return {"output": _view(self._jobs.get(request.parameters["job"]))}

    def logs(self, request: Request) -> dict[str, Any]:
        """``line`` lines of the log from the line ``offset`` on, which counts from 1."""
        offset = request.integer("offset", 1, low=0, high=1_000_000)
        count = request.integer("line", 1000, low=1, high=1000)
        lines = self.log(self._jobs.get(request.parameters["job"]))
        start = max(0, offset - 1)
        return {"output": {"total": len(lines), "logs": lines[start : start + count]}}

    def stream(self, request: Request) -> dict[str, Any] | Events:
        """The log as it is written, then the fine-tune; of a finished one the fine-tune alone."""
        job_id = request.parameters["job"]
        job = self._jobs.get(job_id)
        if job.finished:
            return {"output": _view(job)}

        def look(told: int) -> tuple[list[dict[str, Any]], bool]:
            # The status first: no line comes after a final one.
            job = self._jobs.get(job_id)
            events: list[dict[str, Any]] = [{"output": line} for line in self.log(job)[told:]]
            return events + ([{"output": _view(job)}] if job.finished else []), job.finished

        return Events(look)

    def cancel(self, request: Request) -> dict[str, Any]:
        """Ask for the end of a fine-tune."""
        self._jobs.cancel(request.parameters["job"])
        self.supervisor.wake()
        return {"output": {"status": "success"}}

    def delete(self, request: Request) -> dict[str, Any]:
        """Forget a fine-tune that is at its end, with its log; the model that it made stays."""
        job_id = request.parameters["job"]
        self._jobs.delete(job_id)
        shutil.rmtree(self._jobs.folder(job_id), ignore_errors=True)
        return {"output": {"status": "success"}}

    def log(self, job: Job) -> list[str]:
        """What the job's process said."""
        entries = read_lines(self._jobs.folder(job.id) / f"{POD}.log", start_ms=None, end_ms=None)
        return [f"{_time(moment)} {text}" for moment, text in entries]

    def _base_of(self, model: object) -> tuple[str, str | None]:
        """The model at the bottom, and the adapter that training goes on from."""
        if isinstance(model, str):
            if model in {*CLOUD_MODELS, BASE_MODEL}:
                return model, None
            made = self._jobs.model(model)
            if made is not None:
                return made.base, str(self._jobs.adapter(made.name))
        raise model_not_found(model)

    def _take(self, job_id: str, file_ids: set[str]) -> None:
        """Copy files for the job: what is deleted meanwhile does not matter to it."""
        data = self._jobs.folder(job_id) / "data"
        data.mkdir(parents=True)
        for file_id in file_ids:
            shutil.copyfile(self._files.path(file_id), data / file_id)


def _ids_of(wanted: dict[str, Any], name: str) -> list[str]:
    given = wanted.get(name) or []
    ids = [given] if isinstance(given, str) else given
    if not isinstance(ids, list) or not all(isinstance(each, str) and each for each in ids) or len(ids) > _MAX_FILES:
        raise invalid_parameter(f"{name} must be a list of at most {_MAX_FILES} file ids.")
    return ids


def _suffix_of(wanted: dict[str, Any]) -> str:
    # The documentation says finetuned_output_suffix, the vendor's package finetuned_output.
    suffix = wanted.get("finetuned_output_suffix") or wanted.get("finetuned_output") or ""
    if suffix and not (isinstance(suffix, str) and _SUFFIX.fullmatch(suffix)):
        raise invalid_parameter(f"The suffix is {suffix!r}; it must be 1 to 32 letters, digits, '-' and '_'.")
    return str(suffix)


def _view(job: Job) -> dict[str, Any]:
    view = {
        "job_id": job.id,
        "job_name": job.wanted["job_name"],
        "status": job.status,
        "model": job.wanted["model"],
        "base_model": job.wanted["base_model"],
        "training_file_ids": job.wanted["training_file_ids"],
        "validation_file_ids": job.wanted["validation_file_ids"],
        "hyper_parameters": job.wanted["hyper_parameters"],
        "training_type": job.wanted["training_type"],
        "create_time": _time(job.created_ms),
        "workspace_id": WORKSPACE,
        "user_identity": ACCOUNT_ID,
        "modifier": ACCOUNT_ID,
        "creator": ACCOUNT_ID,
        "group": "llm",
        "max_output_cnt": 1,
    }
    if job.ended_ms is not None:
        view["end_time"] = _time(job.ended_ms)
    if job.status == "SUCCEEDED":
        view |= {"finetuned_output": job.output, "usage": job.tokens, "output_cnt": 1}
    if job.status == "FAILED":
        view |= {"code": job.code, "message": job.message}
    return view


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
