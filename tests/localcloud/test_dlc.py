"""Jobs as processes, judged by the vendor's client of PAI-DLC."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import oss2
import psutil
import pytest
from alibabacloud_pai_dlc20201203 import models as dlc
from alibabacloud_pai_dlc20201203.client import Client as DlcClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException

from tests.localcloud.acs_clients import create_job, dlc_client, finished, get_job, logs, wait_for
from tests.localcloud.conftest import bucket_of
from tests.servers import LocalCloud, local_cloud


@pytest.fixture
def client(cloud: LocalCloud) -> DlcClient:
    return dlc_client(cloud)


def processes_with(marker: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if marker in " ".join(each.info["cmdline"] or [])]


def test_a_job_runs_its_command_and_its_status_goes_the_documented_way(client: DlcClient) -> None:
    command = "echo rank $RANK of $WORLD_SIZE; python -c 'import os; print(os.environ[\"EPOCHS\"])'; echo bad >&2"
    job_id = create_job(client, command, envs={"EPOCHS": "3"}, display_name="custom-emb")
    job = finished(client, job_id)
    assert job.status == "Succeeded"
    history = [each.status for each in job.status_history]
    assert history == ["Creating", "Queuing", "EnvPreparing", "Running", "Succeeded"]
    assert job.gmt_create_time <= job.gmt_running_time <= job.gmt_finish_time == job.gmt_successed_time
    assert (job.display_name, job.job_type, job.envs) == ("custom-emb", "PyTorchJob", {"EPOCHS": "3"})
    assert [(pod.pod_id, pod.type, pod.status) for pod in job.pods] == [(f"{job_id}-master-0", "master", "Succeeded")]
    assert logs(client, job_id) == ["rank 0 of 1", "3", "bad"]
    assert logs(client, job_id, max_lines=1) == ["bad"]
    events = client.get_job_events(job_id, dlc.GetJobEventsRequest(max_events_num=2)).body.events
    assert "Running" in events[0]
    assert "Succeeded" in events[1]
    assert client.get_pod_events(job_id, f"{job_id}-master-0", dlc.GetPodEventsRequest()).body.events


def test_no_secret_of_the_cloud_reaches_a_job(client: DlcClient, cloud: LocalCloud) -> None:
    job_id = create_job(client, "env")
    finished(client, job_id)
    assert cloud.access_key_secret not in "\n".join(logs(client, job_id))


def test_logs_can_be_followed_by_time(client: DlcClient) -> None:
    job_id = create_job(client, "echo one; sleep 2.2; echo two")
    finished(client, job_id)
    middle = datetime.fromisoformat(get_job(client, job_id).gmt_running_time).timestamp() + 1.6
    moment = datetime.fromtimestamp(middle, UTC).isoformat()
    assert logs(client, job_id, start_time=moment) == ["two"]
    assert logs(client, job_id, end_time=moment) == ["one"]


def test_data_sources_are_folders_and_what_is_written_comes_back(client: DlcClient, bucket: oss2.Bucket) -> None:
    bucket.put_object("corpus/a/中 1.txt", b"eins")
    bucket.put_object("corpus/b.txt", b"zwei")
    bucket.put_object("corpus-other/c.txt", b"not mounted")
    bucket.put_object("models/v1/old.txt", b"old")
    sources = [
        dlc.CreateJobRequestDataSources(
            uri=f"oss://{bucket.bucket_name}.oss-cn-hangzhou-internal.aliyuncs.com/corpus/",
            mount_path="/mnt/data",
            mount_access="RO",
        ),
        dlc.CreateJobRequestDataSources(
            uri=f"oss://{bucket.bucket_name}/models/v1", mount_path="/mnt/data-out", mount_access="RW"
        ),
    ]
    command = """
        set -e
        find /mnt/data -type f | wc -l
        cat /mnt/data/a/*.txt "$MOUNT_PATH_0/b.txt" > "$OUT/new.txt"
        echo x > /mnt/data/ignored.txt
        rm /mnt/data-out/old.txt
        mkdir -p /mnt/data-out/deep/er && echo early > /mnt/data-out/deep/er/checkpoint
        sleep 6
    """
    job_id = create_job(client, command, data_sources=sources, envs={"OUT": "/mnt/data-out"})
    wait_for(lambda: bucket.object_exists("models/v1/deep/er/checkpoint"), bool)
    assert get_job(client, job_id).status == "Running"
    job = finished(client, job_id)
    assert (job.status, logs(client, job_id)) == ("Succeeded", ["2"])
    assert bucket.get_object("models/v1/new.txt").read().decode() == "einszwei"
    assert [entry.key for entry in oss2.ObjectIterator(bucket, prefix="models/")] == [
        "models/v1/deep/er/checkpoint",
        "models/v1/new.txt",
    ]
    assert not bucket.object_exists("corpus/ignored.txt")
    assert [source.mount_path for source in job.data_sources] == ["/mnt/data", "/mnt/data-out"]


def test_a_job_that_fails_says_why(client: DlcClient, cloud: LocalCloud) -> None:
    job = finished(client, create_job(client, "exit 7"))
    assert (job.status, job.reason_code) == ("Failed", "PodFailed")
    assert "exited with code 7" in job.reason_message
    missing = [dlc.CreateJobRequestDataSources(uri="oss://no-such-bucket-1/x/", mount_path="/mnt/x")]
    job = finished(client, create_job(client, "true", data_sources=missing))
    assert (job.status, job.reason_code) == ("Failed", "DataSourceMountFailed")
    fault = {"service": "pai_dlc", "action": "CreateJob", "kind": "failed_job"}
    httpx.post(f"{cloud.endpoint}/_faults", json=fault)
    job = finished(client, create_job(client, "sleep 30"))
    assert (job.status, job.reason_code) == ("Failed", "PodFailed")


def test_stopping_a_job_ends_everything_it_started(client: DlcClient) -> None:
    seconds = f"4{secrets.randbelow(10**8):08}"
    job_id = create_job(client, f"trap '' TERM; sleep {seconds} & setsid sleep {seconds} & echo up; wait; wait")
    wait_for(lambda: logs(client, job_id), bool)
    assert len(processes_with(f"sleep {seconds}")) >= 2
    assert client.stop_job(job_id).body.job_id == job_id
    assert get_job(client, job_id).status in {"Stopping", "Stopped"}
    job = finished(client, job_id)
    assert [each.status for each in job.status_history][-2:] == ["Stopping", "Stopped"]
    assert processes_with(f"sleep {seconds}") == []
    client.stop_job(job_id)
    client.delete_job(job_id)
    with pytest.raises(AlibabaCloudException) as caught:
        get_job(client, job_id)
    assert (caught.value.code, caught.value.status_code) == ("JobNotExist", 404)


def test_jobs_beyond_the_places_wait_in_line(client: DlcClient) -> None:
    running = [create_job(client, "sleep 60") for _ in range(2)]
    wait_for(lambda: [get_job(client, each).status for each in running], lambda seen: seen == ["Running"] * 2)
    waiting = create_job(client, "true")
    wait_for(lambda: get_job(client, waiting).status, lambda status: status == "Queuing")
    with pytest.raises(AlibabaCloudException) as caught:
        client.delete_job(waiting)
    assert caught.value.code == "JobNotFinished"
    for each in running:
        client.stop_job(each)
    assert finished(client, waiting).status == "Succeeded"


def test_the_pods_of_a_job_know_each_other(client: DlcClient) -> None:
    specs = [dlc.JobSpec(type="Worker", image="img", pod_count=3)]
    command = "echo $MASTER_ADDR:$MASTER_PORT $RANK/$WORLD_SIZE"
    job_id = create_job(client, command, job_specs=specs)
    job = finished(client, job_id)
    names = [pod.pod_id for pod in job.pods]
    assert names == [f"{job_id}-master-0", f"{job_id}-worker-0", f"{job_id}-worker-1"]
    lines = [client.get_pod_logs(job_id, name, dlc.GetPodLogsRequest()).body.logs[0].split() for name in names]
    assert len({address for address, _ in lines}) == 1
    assert [rank for _, rank in lines] == ["0/3", "1/3", "2/3"]


def test_pages_and_filters_add_up(client: DlcClient) -> None:
    name = f"page-{secrets.token_hex(4)}"
    tagged = dlc.JobSettings(tags={"task": name})
    ids = [create_job(client, "true", display_name=f"{name}-{i}", settings=tagged) for i in range(5)]
    for each in ids:
        finished(client, each)
    seen = []
    for number in (1, 2, 3, 4):
        request = dlc.ListJobsRequest(display_name=name.upper(), page_number=number, page_size=2, order="asc")
        page = client.list_jobs(request).body
        assert page.total_count == 5
        seen += [job.job_id for job in page.jobs]
    assert seen == ids

    def found(**query: object) -> list[str]:
        return [job.job_id for job in client.list_jobs(dlc.ListJobsRequest(**query, page_size=100)).body.jobs]

    assert found(tags={"task": name}) == ids[::-1]
    assert found(tags={"task": "other"}) == []
    assert found(job_ids=",".join(ids[:2]), status="Succeeded", workspace_id="1", job_type="PyTorchJob") == ids[1::-1]
    assert found(job_id=ids[0], status="Failed") == []
    with pytest.raises(AlibabaCloudException) as caught:
        client.list_jobs(dlc.ListJobsRequest(page_size=1000))
    assert caught.value.code == "InvalidParameter"


def test_a_wrong_job_is_refused(client: DlcClient) -> None:
    for wrong in ({"job_type": "Nonsense"}, {"display_name": ""}, {"job_specs": [dlc.JobSpec(pod_count=99)]}):
        with pytest.raises(AlibabaCloudException) as caught:
            create_job(client, "true", **wrong)
        assert caught.value.status_code == 400


@pytest.mark.slow
def test_a_running_job_outlives_a_killed_cloud(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = "echo begin; for i in $(seq 80); do sleep 0.1; done; echo end; echo done > /mnt/out/result"
    with local_cloud(state, access_key_secret="secret") as cloud:
        bucket = bucket_of(cloud, "survivor")
        bucket.create_bucket()
        client = dlc_client(cloud)
        source = dlc.CreateJobRequestDataSources(uri="oss://survivor/out/", mount_path="/mnt/out")
        job_id = create_job(client, command, data_sources=[source])
        wait_for(lambda: logs(client, job_id), bool)
        lost = create_job(client, "sleep 300")
        wait_for(lambda: get_job(client, lost).status, lambda status: status == "Running")
        cloud.kill()
    runner = next(each for each in processes_with("localcloud.pai_dlc.runner") if lost in " ".join(each.cmdline()))
    runner.kill()
    with local_cloud(state, access_key_secret="secret") as cloud:
        client = dlc_client(cloud)
        assert get_job(client, job_id).status == "Running"
        job = finished(client, job_id)
        assert job.status == "Succeeded"
        assert logs(client, job_id) == ["begin", "end"]
        assert bucket_of(cloud, "survivor").get_object("out/result").read() == b"done\n"
        job = finished(client, lost)
        assert (job.status, job.reason_code) == ("Failed", "RunnerLost")
        assert processes_with("sleep 300") == []


@pytest.mark.slow
def test_every_job_runs_once_however_often_the_cloud_is_killed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    chance = random.Random(4)
    ids: list[str] = []
    for kill in range(6):
        with local_cloud(tmp_path / "state", access_key_secret="secret") as cloud:
            client = dlc_client(cloud)
            ids += [create_job(client, f"echo {kill}.{job} >> {trace}; sleep 1") for job in range(2)]
            time.sleep(chance.uniform(0, 1.5))
            cloud.kill()
    with local_cloud(tmp_path / "state", access_key_secret="secret") as cloud:
        client = dlc_client(cloud)
        assert [finished(client, job_id).status for job_id in ids] == ["Succeeded"] * 12
        assert client.list_jobs(dlc.ListJobsRequest(page_size=100)).body.total_count == 12
    assert sorted(trace.read_text().split()) == [f"{kill}.{job}" for kill in range(6) for job in range(2)]
