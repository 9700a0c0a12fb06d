"""DashScope (Bailian's models) for tasks: embeddings, reranking, answers, files, fine-tunes, deployments.

Plain HTTP rather than the ``dashscope`` package: that one returns errors instead of raising them.
API: https://help.aliyun.com/en/model-studio/developer-reference/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from searchloom.cloud import bailian_calls as calls
from searchloom.cloud.bailian_calls import Answer, Call, Dialect, Ranked, Vector
from searchloom.cloud.bailian_http import SERVICE, checked, client_arguments, request_arguments, understood, unreachable
from searchloom.cloud.bailian_jobs import AppAnswer, Deployment, FineTune
from searchloom.cloud.retry import repeatable, unrepeatable
from searchloom.errors import ServiceRefused
from searchloom.settings import Bailian as BailianSettings

T = TypeVar("T")

_PAGE = 100


class Bailian:
    """The models and jobs of one account. Every method raises the ``Service*`` errors."""

    def __init__(self, settings: BailianSettings) -> None:
        self.endpoint = settings.url
        self._settings = settings
        self._http = httpx.Client(**client_arguments(settings))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def embed(
        self,
        texts: Iterable[str],
        *,
        model: str | None = None,
        dims: int | None = None,
        text_type: Literal["query", "document"] = "document",
        dialect: Dialect = "native",
    ) -> Iterator[Vector]:
        """Yield a vector for each text, in order; texts are taken as they are needed, a call's worth at a time."""
        name = model or self._settings.embedding_model
        for batch in calls.batches(iter(texts), calls.batch_size(name)):
            call = calls.embedding(batch, model=name, dims=dims, text_type=text_type, dialect=dialect)
            yield from self._read(call, calls.vectors)

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int,
        model: str | None = None,
        instruction: str | None = None,
        dialect: Dialect = "native",
    ) -> list[Ranked]:
        """Return the best ``top_n`` documents, best first; more than 500 documents take several calls."""
        name = model or self._settings.rerank_model
        ranked: list[Ranked] = []
        for start in range(0, len(documents), calls.MAX_DOCUMENTS):
            part = documents[start : start + calls.MAX_DOCUMENTS]
            call = calls.rerank(
                query, part, model=name, top_n=min(top_n, len(part)), instruction=instruction, dialect=dialect
            )
            ranked += self._read(call, partial(calls.ranking, offset=start))
        return calls.best(ranked, top_n)

    def chat(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        model: str | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        dialect: Dialect = "native",
    ) -> Answer:
        """Return the whole answer to a conversation (``role``, ``content``)."""
        call = calls.chat(
            messages,
            model=model or self._settings.chat_model,
            temperature=temperature,
            max_tokens=max_tokens,
            stream=False,
            dialect=dialect,
        )
        return self._read(call, calls.answer)

    def ask_app(
        self, prompt: str, *, app_id: str, session_id: str | None = None, index_ids: Sequence[str] = ()
    ) -> AppAnswer:
        """Ask a published app; with ``index_ids`` it looks these indexes up, a session goes on by its id."""
        said = {"prompt": prompt} | ({"session_id": session_id} if session_id else {})
        parameters = {"rag_options": {"pipeline_ids": list(index_ids)}} if index_ids else {}
        body = {"model": "", "parameters": parameters, "input": said}
        return self._read(Call(f"app {app_id!r}", f"/api/v1/apps/{app_id}/completion", body), AppAnswer.of)

    @unrepeatable
    def upload_file(self, *, path: Path, description: str = "") -> str:
        """Upload training data (JSON lines) and return its file id; every call makes another file."""
        what = f"file {path.name!r}"
        try:
            with path.open("rb") as file:
                response = self._http.post(
                    "/api/v1/files", data={"descriptions": description}, files=[("files", (path.name, file))]
                )
        except httpx.HTTPError as error:
            raise unreachable(error, what=what, endpoint=self.endpoint) from error
        body = checked(response, what=what, endpoint=self.endpoint)
        failed, file_ids = understood(_uploads, body, what=what, endpoint=self.endpoint)
        if failed or not file_ids:
            said = "; ".join(failed) or "no reason given"
            raise ServiceRefused(f"{SERVICE} refused {what}: {said}; check the file", endpoint=self.endpoint)
        return file_ids[0]

    def file_names(self) -> Iterator[tuple[str, str]]:
        """The id and the name of every file of the account."""
        for item in self._pages("/api/v1/files", within="data", listed="files", what="the files"):
            yield str(item["file_id"]), str(item.get("name") or "")

    def delete_file(self, *, file_id: str) -> None:
        """Delete a file."""
        self._write(Call(f"file {file_id!r}", f"/api/v1/files/{file_id}", method="DELETE"), _nothing)

    def create_fine_tune(
        self,
        *,
        model: str,
        training_files: Sequence[str],
        validation_files: Sequence[str] = (),
        hyper_parameters: Mapping[str, Any] | None = None,
        training_type: Literal["sft", "efficient_sft", "dpo_full", "dpo_lora"] = "efficient_sft",
        suffix: str | None = None,
    ) -> FineTune:
        """Start a fine-tune of a model on uploaded files; every call starts another (see ``find_fine_tune``)."""
        body: dict[str, Any] = {
            "model": model,
            "training_file_ids": list(training_files),
            "validation_file_ids": list(validation_files) or None,
            "hyper_parameters": dict(hyper_parameters or {}),
            "training_type": training_type,
        }
        if suffix:
            body["finetuned_output"] = suffix
        return self._write(Call(f"a fine-tune of {model!r}", "/api/v1/fine-tunes", body), FineTune.of)

    def fine_tune(self, *, job_id: str) -> FineTune:
        """Return how far a fine-tune is."""
        call = Call(f"fine-tune {job_id!r}", f"/api/v1/fine-tunes/{job_id}", method="GET")
        return self._read(call, FineTune.of)

    def find_fine_tune(self, *, training_files: Sequence[str]) -> FineTune | None:
        """Return a fine-tune on exactly these files, or None: with files of its own a task finds its job again."""
        wanted = list(training_files)
        return next((job for job in self.fine_tunes() if list(job.training_files) == wanted), None)

    def fine_tunes(self) -> Iterator[FineTune]:
        """The fine-tunes of the account."""
        for item in self._pages("/api/v1/fine-tunes", within="output", listed="jobs", what="the fine-tunes"):
            yield FineTune.of({"output": item})

    def fine_tune_logs(self, *, job_id: str, offset: int = 1, lines: int = 1000) -> list[str]:
        """Return up to ``lines`` lines of a fine-tune's log; ``offset`` counts from 1."""
        query = {"offset": offset, "line": lines}
        call = Call(f"fine-tune {job_id!r}", f"/api/v1/fine-tunes/{job_id}/logs", method="GET", query=query)
        return self._read(call, lambda body: [str(line) for line in body["output"].get("logs") or []])

    def cancel_fine_tune(self, *, job_id: str) -> None:
        """Ask for the end of a fine-tune."""
        self._read(Call(f"fine-tune {job_id!r}", f"/api/v1/fine-tunes/{job_id}/cancel"), _nothing)

    def delete_fine_tune(self, *, job_id: str) -> None:
        """Delete a finished fine-tune."""
        self._write(Call(f"fine-tune {job_id!r}", f"/api/v1/fine-tunes/{job_id}", method="DELETE"), _nothing)

    def create_deployment(
        self, *, model: str, capacity: int, suffix: str | None = None, plan: str | None = None
    ) -> Deployment:
        """Start serving a model on ``capacity`` units; the deployment's name is made of the model's and the suffix."""
        body: dict[str, Any] = {"model_name": model, "capacity": capacity}
        body |= {name: value for name, value in (("suffix", suffix), ("plan", plan)) if value}
        return self._write(Call(f"a deployment of {model!r}", "/api/v1/deployments", body), Deployment.of)

    def deployment(self, *, name: str) -> Deployment:
        """Return the state of a deployment."""
        call = Call(f"deployment {name!r}", f"/api/v1/deployments/{name}", method="GET")
        return self._read(call, Deployment.of)

    def deployments(self) -> Iterator[Deployment]:
        """The deployments of the account."""
        for item in self._pages("/api/v1/deployments", within="output", listed="deployments", what="the deployments"):
            yield Deployment.of({"output": item})

    def scale_deployment(self, *, name: str, capacity: int) -> Deployment:
        """Let ``capacity`` units serve."""
        body = {"deployed_model": name, "capacity": capacity}
        call = Call(f"deployment {name!r}", f"/api/v1/deployments/{name}/scale", body, method="PUT")
        return self._read(call, Deployment.of)

    def delete_deployment(self, *, name: str) -> None:
        """Stop serving and delete the deployment; the model stays."""
        self._write(Call(f"deployment {name!r}", f"/api/v1/deployments/{name}", method="DELETE"), _nothing)

    def _pages(self, path: str, *, within: str, listed: str, what: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            query = {"page_no": page, "page_size": _PAGE}
            call = Call(what, path, method="GET", query=query)
            found, total = self._read(call, lambda body: (body[within].get(listed) or [], body[within].get("total")))
            yield from found
            if not found or page * _PAGE >= int(total or 0):
                return
            page += 1

    @repeatable
    def _read(self, call: Call, parse: Callable[[dict[str, Any]], T]) -> T:
        return self._send(call, parse)

    @unrepeatable
    def _write(self, call: Call, parse: Callable[[dict[str, Any]], T]) -> T:
        return self._send(call, parse)

    def _send(self, call: Call, parse: Callable[[dict[str, Any]], T]) -> T:
        try:
            response = self._http.request(**request_arguments(call))
        except httpx.HTTPError as error:
            raise unreachable(error, what=call.what, endpoint=self.endpoint) from error
        body = checked(response, what=call.what, endpoint=self.endpoint)
        return understood(parse, body, what=call.what, endpoint=self.endpoint)


def _nothing(_: Mapping[str, Any]) -> None:
    """For answers that say nothing but yes."""


def _uploads(body: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    data = body["data"]
    failed = [str(item.get("message") or item) for item in data.get("failed_uploads") or []]
    return failed, [str(item["file_id"]) for item in data.get("uploaded_files") or []]
