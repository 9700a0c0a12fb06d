from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from searchloom.cloud.bailian import Bailian
from searchloom.errors import ServiceNotFound, ServiceRefused, ServiceUnavailable
from searchloom.settings import Bailian as BailianSettings
from tests.cloud.golden import Wire, check
from tests.cloud.recording import Answer, Recorder

EMBEDDING = "/api/v1/services/embeddings/text-embedding/text-embedding"
RERANK = "/api/v1/services/rerank/text-rerank/text-rerank"
JOB = {"job_id": "ft-1", "status": "SUCCEEDED", "finetuned_output": "m-ft-1", "training_file_ids": ["f-1"]}
DEPLOYED = {"deployed_model": "qwen3-14b-ft-1", "status": "RUNNING", "capacity": 2, "ready_capacity": 2}


@pytest.fixture
def bailian(bailian_settings: BailianSettings) -> Iterator[Bailian]:
    client = Bailian(bailian_settings)
    yield client
    client.close()


def native_vectors(request_texts: int) -> Answer:
    found = [{"text_index": n, "embedding": [float(n)]} for n in reversed(range(request_texts))]
    return Answer(body={"request_id": "r", "output": {"embeddings": found}})


def ranked(*pairs: tuple[int, float]) -> Answer:
    results = [{"index": index, "relevance_score": score} for index, score in pairs]
    return Answer(body={"request_id": "r", "output": {"results": results}})


def test_embeddings_in_both_dialects(bailian: Bailian, server: Recorder) -> None:
    server.will(native_vectors(2))
    assert list(bailian.embed(["a", "b"], dims=768)) == [[0.0], [1.0]]
    parameters = {"text_type": "document", "dimension": 768, "output_type": "dense"}
    body = {"model": "text-embedding-v4", "parameters": parameters, "input": {"texts": ["a", "b"]}}
    check(server.only, Wire("POST", EMBEDDING, body=body, capture="dashscope.TextEmbedding_v4"))
    assert server.only.headers["authorization"] == "Bearer an-api-key"
    assert server.only.headers["x-dashscope-workspace"] == "llm-ws1"
    found = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.0]}]
    server.will(Answer(body={"data": found, "model": "text-embedding-v4"}))
    assert list(bailian.embed(["a", "b"], dims=768, dialect="compatible")) == [[0.0], [1.0]]
    body = {"model": "text-embedding-v4", "input": ["a", "b"], "encoding_format": "float", "dimensions": 768}
    check(server.only, Wire("POST", "/compatible-mode/v1/embeddings", body=body))


@pytest.mark.parametrize(("model", "size"), [("text-embedding-v4", 10), ("text-embedding-v3", 10), ("x-v2", 25)])
def test_texts_go_in_calls_of_the_models_limit_and_only_when_needed(
    bailian: Bailian, server: Recorder, model: str, size: int
) -> None:
    server.will(native_vectors(size), native_vectors(size), native_vectors(3))
    texts = (str(n) for n in range(2 * size + 3))
    vectors = bailian.embed(texts, model=model)
    next(vectors)
    assert len(server.requests) == 1
    assert sum(1 for _ in vectors) == 2 * size + 2
    assert [len(request.body["input"]["texts"]) for request in server.requests] == [size, size, 3]


def test_reranking_on_both_documented_paths(bailian: Bailian, server: Recorder) -> None:
    server.will(ranked((1, 0.9), (0, 0.1)))
    found = bailian.rerank("q", ["a", "b"], top_n=2, model="qwen3-rerank", instruction="i")
    assert [(item.index, item.score) for item in found] == [(1, 0.9), (0, 0.1)]
    parameters = {"top_n": 2, "instruct": "i"}
    body = {"model": "qwen3-rerank", "parameters": parameters, "input": {"query": "q", "documents": ["a", "b"]}}
    check(server.only, Wire("POST", RERANK, body=body, capture="dashscope.TextReRank_qwen3"))
    server.will(Answer(body={"object": "list", "results": [{"index": 1, "relevance_score": 0.9}]}))
    found = bailian.rerank("q", ["a", "b"], top_n=1, model="qwen3-rerank", dialect="compatible")
    assert [item.index for item in found] == [1]
    body = {"model": "qwen3-rerank", "query": "q", "documents": ["a", "b"], "top_n": 1}
    check(server.only, Wire("POST", "/compatible-api/v1/reranks", body=body))


def test_more_documents_than_one_call_takes(bailian: Bailian, server: Recorder) -> None:
    server.will(ranked((499, 0.5)), ranked((0, 0.9), (1, 0.1)))
    found = bailian.rerank("q", [str(n) for n in range(502)], top_n=2)
    assert [(item.index, item.score) for item in found] == [(500, 0.9), (499, 0.5)]
    assert [len(request.body["input"]["documents"]) for request in server.requests] == [500, 2]


def test_answers_in_both_dialects(bailian: Bailian, server: Recorder) -> None:
    messages = [{"role": "user", "content": "hi"}]
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
    server.will(Answer(body={"output": {"choices": [choice]}, "usage": {"input_tokens": 3, "output_tokens": 1}}))
    answer = bailian.chat(messages, model="qwen-turbo", temperature=0.1, max_tokens=100)
    assert (answer.text, answer.finish_reason, answer.input_tokens, answer.output_tokens) == ("hello", "stop", 3, 1)
    parameters = {"temperature": 0.1, "max_tokens": 100, "result_format": "message"}
    body = {"model": "qwen-turbo", "parameters": parameters, "input": {"messages": messages}}
    path = "/api/v1/services/aigc/text-generation/generation"
    check(server.only, Wire("POST", path, body=body, capture="dashscope.Generation"))
    server.will(Answer(body={"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}))
    assert bailian.chat(messages, dialect="compatible") == answer
    check(
        server.only,
        Wire("POST", "/compatible-mode/v1/chat/completions", body={"model": "qwen-plus", "messages": messages}),
    )


def test_an_app_is_asked(bailian: Bailian, server: Recorder) -> None:
    said = {"text": "yes", "session_id": "s", "doc_references": [{"title": "t", "doc_name": "n"}, {"doc_name": "m"}]}
    server.will(Answer(body={"request_id": "r", "output": said}))
    answer = bailian.ask_app("hi", app_id="app-1", session_id="s", index_ids=["idx1"])
    assert (answer.text, answer.session_id, answer.documents) == ("yes", "s", ("t", "m"))
    parameters = {"rag_options": {"pipeline_ids": ["idx1"]}}
    body = {"model": "", "parameters": parameters, "input": {"prompt": "hi", "session_id": "s"}}
    check(server.only, Wire("POST", "/api/v1/apps/app-1/completion", body=body, capture="dashscope.Application.call"))


def test_jobs_are_called_as_the_vendors_sdk_does(bailian: Bailian, server: Recorder) -> None:
    tune = "/api/v1/fine-tunes"
    created = {
        "model": "qwen3-14b",
        "training_file_ids": ["f-1"],
        "validation_file_ids": None,
        "hyper_parameters": {"n_epochs": 3, "batch_size": 16, "learning_rate": "1.6e-5"},
        "training_type": "efficient_sft",
        "finetuned_output": "suffix",
    }
    page = [("page_no", "1"), ("page_size", "100")]
    served = "/api/v1/deployments/qwen3-14b-ft-1"
    deployment = {"model_name": "qwen3-14b-ft-1", "capacity": 2, "suffix": "s1", "plan": "mu"}
    scale = {"deployed_model": "qwen3-14b-ft-1", "capacity": 4}
    calls = [
        (
            lambda: bailian.create_fine_tune(
                model="qwen3-14b",
                training_files=["f-1"],
                hyper_parameters=created["hyper_parameters"],
                suffix="suffix",
            ),
            Wire("POST", tune, body=created, capture="dashscope.FineTunes.create"),
        ),
        (lambda: bailian.fine_tune(job_id="ft-1"), Wire("GET", f"{tune}/ft-1", capture="dashscope.FineTunes.get")),
        (lambda: list(bailian.fine_tunes()), Wire("GET", tune, page)),
        (
            lambda: bailian.fine_tune_logs(job_id="ft-1", lines=100),
            Wire("GET", f"{tune}/ft-1/logs", [("offset", "1"), ("line", "100")], capture="dashscope.FineTunes.logs"),
        ),
        (
            lambda: bailian.cancel_fine_tune(job_id="ft-1"),
            Wire("POST", f"{tune}/ft-1/cancel", capture="dashscope.FineTunes.cancel"),
        ),
        (
            lambda: bailian.delete_fine_tune(job_id="ft-1"),
            Wire("DELETE", f"{tune}/ft-1", capture="dashscope.FineTunes.delete"),
        ),
        (
            lambda: bailian.delete_file(file_id="f-1"),
            Wire("DELETE", "/api/v1/files/f-1", capture="dashscope.Files.delete"),
        ),
        (
            lambda: bailian.create_deployment(model="qwen3-14b-ft-1", capacity=2, suffix="s1", plan="mu"),
            Wire("POST", "/api/v1/deployments", body=deployment, capture="dashscope.Deployments.create"),
        ),
        (
            lambda: bailian.deployment(name="qwen3-14b-ft-1"),
            Wire("GET", served, capture="dashscope.Deployments.get"),
        ),
        (lambda: list(bailian.deployments()), Wire("GET", "/api/v1/deployments", page)),
        (
            lambda: bailian.scale_deployment(name="qwen3-14b-ft-1", capacity=4),
            Wire("PUT", f"{served}/scale", body=scale, capture="dashscope.Deployments.scale"),
        ),
        (
            lambda: bailian.delete_deployment(name="qwen3-14b-ft-1"),
            Wire("DELETE", served, capture="dashscope.Deployments.delete"),
        ),
    ]
    for call, wire in calls:
        server.will(Answer(body={"request_id": "r", "output": JOB | DEPLOYED}))
        call()
        check(server.only, wire)


def test_a_file_goes_up_as_the_part_files(bailian: Bailian, server: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"messages": []}\n')
    uploaded = {"uploaded_files": [{"name": "t.jsonl", "file_id": "f-1"}], "failed_uploads": []}
    server.will(Answer(body={"request_id": "r", "data": uploaded}))
    assert bailian.upload_file(path=path, description="d") == "f-1"
    assert (server.only.method, server.only.path) == ("POST", "/api/v1/files")
    assert server.only.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="descriptions"\r\n\r\nd\r\n' in server.only.raw
    assert b'name="files"; filename="t.jsonl"' in server.only.raw
    assert b'{"messages": []}\n' in server.only.raw
    failed = {"uploaded_files": [], "failed_uploads": [{"name": "t.jsonl", "code": "X", "message": "not JSON lines"}]}
    server.will(Answer(body={"request_id": "r", "data": failed}))
    with pytest.raises(ServiceRefused, match="not JSON lines"):
        bailian.upload_file(path=path)


def test_a_fine_tune_is_found_again_by_its_files(bailian: Bailian, server: Recorder) -> None:
    other = JOB | {"job_id": "ft-0", "training_file_ids": ["f-0"]}
    server.will(Answer(body={"output": {"jobs": [other, JOB], "total": 2}}))
    job = bailian.find_fine_tune(training_files=["f-1"])
    assert job is not None
    assert (job.job_id, job.model, job.finished, job.succeeded) == ("ft-1", "m-ft-1", True, True)
    assert bailian.find_fine_tune(training_files=["f-2"]) is None


def refusal(status: int, code: str, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"request_id": "r-1", "code": code, "message": "the reason."}, names)


@pytest.mark.parametrize(
    ("answer", "expected", "calls"),
    [
        (refusal(400, "InvalidParameter"), ServiceRefused, 1),
        (refusal(401, "InvalidApiKey"), ServiceRefused, 1),
        (refusal(403, "AllocationQuota.FreeTierOnly"), ServiceRefused, 1),
        (refusal(404, "ModelNotFound"), ServiceNotFound, 1),
        (refusal(429, "Throttling.RateQuota"), ServiceUnavailable, 5),
        (refusal(200, "Throttling.AllocationQuota"), ServiceUnavailable, 5),
        (refusal(200, "InternalError.Algo"), ServiceUnavailable, 5),
        (refusal(200, "InvalidParameter"), ServiceRefused, 1),
        (refusal(500, "InternalError"), ServiceUnavailable, 5),
        (refusal(503, "ModelServingError"), ServiceUnavailable, 5),
        (refusal(429, "Throttling", retry_after="600"), ServiceUnavailable, 1),
        (Answer(400, {"error": {"code": "invalid_parameter_error", "message": "x"}}), ServiceRefused, 1),
        (Answer(413, b"<html>too large</html>"), ServiceRefused, 1),
        (Answer(502, b"<html>bad gateway</html>"), ServiceUnavailable, 5),
        (Answer(200, b'{"output": '), ServiceUnavailable, 5),
        (Answer(200, {"output": {}}), ServiceUnavailable, 5),
        (Answer(200, b"{}", cut=True), ServiceUnavailable, 5),
    ],
)
def test_failures(bailian: Bailian, server: Recorder, answer: Answer, expected: type[Exception], calls: int) -> None:
    server.will(answer)
    with pytest.raises(expected, match="embeddings of 1 texts") as caught:
        list(bailian.embed(["a"]))
    assert len(server.requests) == calls
    if isinstance(answer.body, dict) and "code" in answer.body:
        assert (caught.value.code, caught.value.request_id) == (answer.body["code"], "r-1")
    assert "an-api-key" not in repr(caught.value)


def test_what_must_not_run_twice_does_not(bailian: Bailian, server: Recorder) -> None:
    server.will(refusal(503, "ServiceUnavailable"))
    with pytest.raises(ServiceUnavailable):
        bailian.create_fine_tune(model="m", training_files=["f-1"])
    assert len(server.requests) == 1
    server.will(refusal(429, "Throttling.RateQuota"), Answer(body={"output": JOB}))
    assert bailian.create_fine_tune(model="m", training_files=["f-1"]).job_id == "ft-1"


def test_a_slow_answer_runs_into_the_time_limit(bailian_settings: BailianSettings, server: Recorder) -> None:
    client = Bailian(bailian_settings.model_copy(update={"read_timeout_s": 0.05}))
    server.will(Answer(delay_s=0.3))
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        client.fine_tune(job_id="ft-1")
    client.close()
