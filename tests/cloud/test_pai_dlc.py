from __future__ import annotations

import pytest

from searchloom.cloud.pai_dlc import JobRequest, Mount, PaiDlc
from searchloom.errors import ServiceUnavailable
from searchloom.settings import Acs
from tests.cloud.golden import Wire, check_signed
from tests.cloud.recording import Answer, Recorder

JOB = JobRequest(
    name="custom-emb",
    command="python /mnt/code/train.py --data /mnt/data --output /mnt/output --dim 768 --batch-size 32",
    image="registry.cn-hangzhou.aliyuncs.com/pai-dlc/pytorch-training:2.0",
    ecs_spec="ecs.gn7i-c8g1.2xlarge",
    mounts=[
        Mount(uri="oss://bucket.oss-cn-hangzhou-internal.aliyuncs.com/rag-corpus/", path="/mnt/data"),
        Mount(uri="oss://bucket.oss-cn-hangzhou-internal.aliyuncs.com/models/emb-v1/", path="/mnt/output", access="RW"),
    ],
    environment={"EPOCHS": "3"},
    max_minutes=60,
)
CREATED = {
    "DisplayName": "custom-emb",
    "WorkspaceId": "12345",
    "JobType": "PyTorchJob",
    "UserCommand": JOB.command,
    "JobSpecs": [
        {
            "Type": "Worker",
            "Image": JOB.image,
            "EcsSpec": JOB.ecs_spec,
            "PodCount": 1,
            "ElasticSpotSpecs": [],
            "LocalMountSpecs": [],
            "StartupDependencies": [],
        }
    ],
    "DataSources": [
        {"Uri": JOB.mounts[0].uri, "MountPath": "/mnt/data", "MountAccess": "RO"},
        {"Uri": JOB.mounts[1].uri, "MountPath": "/mnt/output", "MountAccess": "RW"},
    ],
    "Envs": {"EPOCHS": "3"},
    "JobMaxRunningTimeMinutes": 60,
    "Priority": 1,
}
NO_JOBS = Answer(body={"Jobs": [], "TotalCount": 0})


@pytest.fixture
def dlc(acs: Acs) -> PaiDlc:
    return PaiDlc(acs, workspace_id="12345")


def listed(*names: str) -> Answer:
    jobs = [{"JobId": f"dlc-{n}", "DisplayName": name, "Status": "Running"} for n, name in enumerate(names)]
    return Answer(body={"Jobs": jobs, "TotalCount": len(jobs)})


def test_calls_are_those_of_the_vendors_sdk(dlc: PaiDlc, server: Recorder) -> None:
    job = "/api/v1/jobs/dlc20201203abcd"
    pod = "dlc20201203abcd-master-0"
    page = [
        ("Order", "desc"),
        ("PageNumber", "1"),
        ("PageSize", "50"),
        ("SortBy", "GmtCreateTime"),
        ("Status", "Running"),
        ("WorkspaceId", "12345"),
    ]
    calls = [
        (lambda: dlc.create(JOB), "CreateJob", Wire("POST", "/api/v1/jobs", body=CREATED, capture="pai-dlc.CreateJob")),
        (
            lambda: dlc.get(job_id="dlc20201203abcd"),
            "GetJob",
            Wire("GET", job, [("NeedDetail", "True")], capture="pai-dlc.GetJob"),
        ),
        (
            lambda: list(dlc.list(status="Running")),
            "ListJobs",
            Wire("GET", "/api/v1/jobs", page, capture="pai-dlc.ListJobs"),
        ),
        (
            lambda: dlc.stop(job_id="dlc20201203abcd"),
            "StopJob",
            Wire("POST", f"{job}/stop", capture="pai-dlc.StopJob"),
        ),
        (
            lambda: dlc.delete(job_id="dlc20201203abcd"),
            "DeleteJob",
            Wire("DELETE", job, capture="pai-dlc.DeleteJob"),
        ),
        (
            lambda: dlc.logs(job_id="dlc20201203abcd", pod_id=pod, max_lines=100),
            "GetPodLogs",
            Wire("GET", f"{job}/pods/{pod}/logs", [("MaxLines", "100")], capture="pai-dlc.GetPodLogs"),
        ),
        (
            lambda: dlc.events(job_id="dlc20201203abcd"),
            "GetJobEvents",
            Wire("GET", f"{job}/events", [("MaxEventsNum", "100")], capture="pai-dlc.GetJobEvents"),
        ),
    ]
    for call, action, wire in calls:
        server.will(Answer(body={"JobId": "dlc20201203abcd", "RequestId": "R"}))
        call()
        check_signed(server.only, wire, action=action, version="2020-12-03")


def test_state_of_a_job(dlc: PaiDlc, server: Recorder) -> None:
    pods = [{"PodId": "dlc-1-master-0", "Type": "master", "Status": "Failed"}]
    server.will(
        Answer(
            body={
                "JobId": "dlc-1",
                "DisplayName": "train",
                "Status": "FailedReserving",
                "ReasonCode": "PodFailed",
                "ReasonMessage": "exit code 1",
                "Pods": pods,
            }
        )
    )
    job = dlc.get(job_id="dlc-1")
    assert (job.finished, job.succeeded, job.reason, job.pods[0].pod_id) == (
        True,
        False,
        "exit code 1",
        pods[0]["PodId"],
    )


def test_list_goes_through_all_pages(dlc: PaiDlc, server: Recorder) -> None:
    jobs = [{"JobId": f"dlc-{n}", "DisplayName": "x", "Status": "Running"} for n in range(60)]
    server.will(Answer(body={"Jobs": jobs[:50], "TotalCount": 60}), Answer(body={"Jobs": jobs[50:], "TotalCount": 60}))
    assert [job.job_id for job in dlc.list()] == [job["JobId"] for job in jobs]


def test_submit_takes_the_job_that_has_the_name(dlc: PaiDlc, server: Recorder) -> None:
    server.will(listed("custom-emb-2", "custom-emb"))
    assert dlc.submit(JOB) == "dlc-1"
    assert server.only.method == "GET"


def test_submit_finds_the_job_whose_answer_got_lost(dlc: PaiDlc, server: Recorder) -> None:
    server.will(NO_JOBS, Answer(body=b'{"JobId": "dlc', cut=True), listed("custom-emb"))
    assert dlc.submit(JOB) == "dlc-0"
    assert [request.method for request in server.requests] == ["GET", "POST", "GET"]


def test_create_is_repeated_only_where_the_service_refused_before_it_began(dlc: PaiDlc, server: Recorder) -> None:
    throttled = Answer(400, {"Code": "Throttling.User", "Message": "flow control", "RequestId": "R"})
    server.will(throttled, throttled, Answer(body={"JobId": "dlc-1"}))
    assert dlc.create(JOB) == "dlc-1"
    assert len(server.requests) == 3
    server.will(Answer(503, {"Code": "ServiceUnavailable", "Message": "x", "RequestId": "R"}))
    with pytest.raises(ServiceUnavailable):
        dlc.create(JOB)
    assert len(server.requests) == 1


def test_secrets_in_the_environment_of_a_job_stay_out_of_its_repr() -> None:
    request = JobRequest(name="n", command="c", image="i", ecs_spec="e", environment={"TOKEN": "hush"})
    assert "hush" not in repr(request)
