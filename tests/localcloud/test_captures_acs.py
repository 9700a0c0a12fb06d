"""Every recorded request of the vendors' ACS clients is sent again by them, and is taken: what PAI, STS and search do.

Those of AIRec are in ``test_captures_airec``, those of OSS in ``test_captures_oss``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import httpx
import oss2
import pytest
from alibabacloud_aiworkspace20210204 import models as registry
from alibabacloud_eas20210701 import models as eas
from alibabacloud_pai_dlc20201203 import models as dlc
from alibabacloud_pai_dlc20201203.client import Client as DlcClient
from alibabacloud_sts20150401 import models as sts
from alibabacloud_sts20150401.client import Client as StsClient

from localcloud.credentials import Keyring
from tests.localcloud.acs_clients import (
    call,
    config,
    dlc_client,
    eas_client,
    finished,
    registry_client,
    sts_client,
    wait_for,
)
from tests.localcloud.wiretap import Proof, recordings, wiretap
from tests.servers import LocalCloud

REGION = "cn-hangzhou"
INTERNAL = "oss-cn-hangzhou-internal.aliyuncs.com"
SERVE = (
    "import http.server as h\n"
    "class H(h.BaseHTTPRequestHandler):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers()\n"
    "    def do_POST(self):\n"
    "        body = self.rfile.read(int(self.headers['Content-Length']))\n"
    "        self.send_response(200); self.send_header('Content-Length', len(body)); self.end_headers()\n"
    "        self.wfile.write(body)\n"
    "import os, sys\n"
    "h.ThreadingHTTPServer(('127.0.0.1', int(os.environ.get('PORT') or sys.argv[1])), H).serve_forever()\n"
)


@pytest.fixture
def proof(cloud: LocalCloud) -> Iterator[Proof]:
    with wiretap(cloud) as tap:
        yield tap


def job_request(bucket: str) -> dlc.CreateJobRequest:
    uri = f"oss://{bucket}.{INTERNAL}"
    return dlc.CreateJobRequest(
        display_name="custom-emb",
        job_type="PyTorchJob",
        priority=1,
        workspace_id="12345",
        job_max_running_time_minutes=60,
        envs={"EPOCHS": "3"},
        user_command="python /mnt/code/train.py --data /mnt/data --output /mnt/output --dim 768 --batch-size 32",
        job_specs=[
            dlc.JobSpec(
                type="Worker",
                image="registry.cn-hangzhou.aliyuncs.com/pai-dlc/pytorch-training:2.0",
                ecs_spec="ecs.gn7i-c8g1.2xlarge",
                pod_count=1,
            )
        ],
        data_sources=[
            dlc.CreateJobRequestDataSources(uri=f"{uri}/rag-corpus/", mount_path="/mnt/data", mount_access="RO"),
            dlc.CreateJobRequestDataSources(uri=f"{uri}/models/emb-v1/", mount_path="/mnt/output", mount_access="RW"),
        ],
    )


def test_pai_dlc(proof: Proof, bucket: oss2.Bucket, cloud: LocalCloud) -> None:
    proof.ids[f"oss://{bucket.bucket_name}."] = "oss://bucket."
    client, sends = dlc_client(proof.cloud), proof.sends
    created = sends("pai-dlc.CreateJob", lambda: client.create_job(job_request(bucket.bucket_name)))
    job = created.body.job_id
    proof.ids[job] = "dlc20201203abcd"
    older = DlcClient(config(proof.cloud, signature_algorithm="v2"))
    second = sends("pai-dlc.CreateJob_sigV2", lambda: older.create_job(job_request(bucket.bucket_name)))
    asked = dlc.ListJobsRequest(
        workspace_id="12345",
        status="Running",
        sort_by="GmtCreateTime",
        order="desc",
        page_number=1,
        page_size=50,
    )
    sends("pai-dlc.ListJobs", lambda: client.list_jobs(asked))
    detail = dlc.GetJobRequest(need_detail=True)
    sends("pai-dlc.GetJob", lambda: client.get_job(job, detail))
    sends("pai-dlc.GetJobEvents", lambda: client.get_job_events(job, dlc.GetJobEventsRequest(max_events_num=100)))
    keys = Keyring(cloud.access_key_id, cloud.access_key_secret).issue(900)
    settings = config(proof.cloud, key_id=keys.access_key_id, secret=keys.access_key_secret, token=keys.security_token)
    with_all = dict(proof.ids)
    proof.ids[job] = "j"
    sends("pai-dlc.GetJob_STS", lambda: DlcClient(settings).get_job(job, dlc.GetJobRequest()))
    proof.ids.update(with_all)
    sends("pai-dlc.StopJob", lambda: client.stop_job(job))
    ended = finished(client, job)
    logs = dlc.GetPodLogsRequest(max_lines=100)
    sends("pai-dlc.GetPodLogs", lambda: client.get_pod_logs(job, ended.pods[0].pod_id, logs))
    sends("pai-dlc.DeleteJob", lambda: client.delete_job(job))
    client.stop_job(second.body.job_id)
    assert proof.proven >= recordings("pai-dlc")


def test_sts(proof: Proof) -> None:
    asked = sts.AssumeRoleRequest(role_arn="acs:ram::1:role/r", role_session_name="s", duration_seconds=3600)
    proof.sends("sts.AssumeRole", lambda: sts_client(proof.cloud).assume_role(asked))
    older = StsClient(config(proof.cloud, signature_algorithm="v2"))
    short = sts.AssumeRoleRequest(role_arn="acs:ram::1:role/r", role_session_name="s")
    own = ("Timestamp", "SignatureNonce", "AccessKeyId", "Signature")
    proof.sends("sts.AssumeRole_sigV2_RPC", lambda: older.assume_role(short), loose=own)
    assert proof.proven >= recordings("sts")


def test_the_model_registry(proof: Proof) -> None:
    client, sends = registry_client(proof.cloud), proof.sends
    name = f"emb-{secrets.token_hex(4)}"
    proof.ids[name] = "custom-emb"
    model = registry.CreateModelRequest(
        accessibility="PRIVATE",
        domain="nlp",
        model_description="d",
        model_name=name,
        model_type="Checkpoint",
        task="text-embedding",
        workspace_id="12345",
    )
    model_id = sends("aiworkspace.CreateModel", lambda: client.create_model(model)).body.model_id
    proof.ids[model_id] = "model-1"
    version = registry.CreateModelVersionRequest(
        approval_status="Approved",
        format_type="SavedModel",
        framework_type="PyTorch",
        labels=[registry.Label(key="dim", value="768")],
        metrics={"recall@10": 0.9},
        source_id="region=cn-hangzhou,workspaceId=12345,kind=DLC,id=dlc20201203abcd",
        source_type="Custom",
        uri="oss://bucket.oss-cn-hangzhou.aliyuncs.com/models/emb-v1/",
        version_name="0.1.0",
    )
    sends("aiworkspace.CreateModelVersion", lambda: client.create_model_version(model_id, version))
    sends(
        "aiworkspace.GetModelVersion",
        lambda: client.get_model_version(model_id, "0.1.0", registry.GetModelVersionRequest()),
    )
    page = registry.ListModelVersionsRequest(page_number=1, page_size=10)
    sends("aiworkspace.ListModelVersions", lambda: client.list_model_versions(model_id, page))
    wanted = registry.ListModelsRequest(model_name=name, workspace_id="12345")
    sends("aiworkspace.ListModels", lambda: client.list_models(wanted))
    approved = registry.UpdateModelVersionRequest(approval_status="Approved")
    sends("aiworkspace.UpdateModelVersion", lambda: client.update_model_version(model_id, "0.1.0", approved))
    assert proof.proven >= recordings("aiworkspace")


def service_spec(bucket: oss2.Bucket, name: str) -> dict[str, object]:
    path = f"oss://{bucket.bucket_name}/models/reranker-v1/"
    return {
        "name": name,
        "metadata": {"instance": 1, "cpu": 1, "memory": 500},
        "cloud": {"computing": {"instance_type": "ecs.g6.xlarge"}},
        "containers": [{"image": "img", "script": "python /models/serve.py 8000", "port": 8000}],
        "storage": [
            {
                "mount_path": "/models",
                "oss": {"path": path, "readOnly": True},
                "properties": {"resource_type": "model"},
            }
        ],
    }


@pytest.mark.slow
def test_pai_eas(proof: Proof, bucket: oss2.Bucket) -> None:
    bucket.put_object("models/reranker-v1/serve.py", SERVE)
    client, sends = eas_client(proof.cloud), proof.sends
    # Two names: one that is made of a text, one of an object.
    name, other = (f"proof{secrets.token_hex(4)}" for _ in range(2))
    proof.ids |= {name: "reranker_v1", other: "reranker_v1"}
    text = eas.CreateServiceRequest(
        body=json.dumps(service_spec(bucket, name)), labels={"team": "rag"}, workspace_id="12345"
    )
    # Sizes and the script are this machine's.
    sends("pai-eas.CreateService", lambda: client.create_service(text), loose=("body",))
    given = eas.CreateServiceRequest(body=service_spec(bucket, other))
    sends("pai-eas.CreateService_dictbody", lambda: client.create_service(given), loose=("body",))

    def described() -> eas.Service:
        return client.describe_service(REGION, name).body

    wait_for(described, lambda seen: seen.status == "Running", seconds=90)
    service = sends("pai-eas.DescribeService", described)
    sends("pai-eas.DescribeServiceEndpoints", lambda: client.describe_service_endpoints(REGION, name))
    log = eas.DescribeServiceLogRequest(page_num=1, page_size=100)
    sends("pai-eas.DescribeServiceLog", lambda: client.describe_service_log(REGION, name, log))
    labelled = eas.ListServicesRequest(filter="reranker", label={"team": "rag"}, page_number=1, page_size=20)
    sends("pai-eas.ListServices", lambda: client.list_services(labelled))
    url = f"{proof.cloud.endpoint}/api/predict/{name}"
    answer = httpx.post(url, json={"q": "x"}, headers={"Authorization": service.access_token})
    assert answer.json() == {"q": "x"}
    proof.proven.add("eas-predict.StringRequest")
    strategy = eas.CreateServiceAutoScalerRequestScaleStrategies(metric_name="qps", threshold=10)
    scaler = eas.CreateServiceAutoScalerRequest(min=1, max=4, scale_strategies=[strategy])
    sends("pai-eas.CreateServiceAutoScaler", lambda: client.create_service_auto_scaler(REGION, name, scaler))
    changes = json.dumps({"metadata": {"instance": 3}})
    update = eas.UpdateServiceRequest(update_type="merge", body=changes)
    sends("pai-eas.UpdateService", lambda: client.update_service(REGION, name, update))
    back = eas.UpdateServiceVersionRequest(version=1)
    sends("pai-eas.UpdateServiceVersion", lambda: client.update_service_version(REGION, name, back))
    release = eas.ReleaseServiceRequest(traffic_state="grouping", weight=20)
    sends("pai-eas.ReleaseService", lambda: client.release_service(REGION, name, release))
    sends("pai-eas.StopService", lambda: client.stop_service(REGION, name))
    sends("pai-eas.StartService", lambda: client.start_service(REGION, name))
    sends("pai-eas.DeleteService", lambda: client.delete_service(REGION, name))
    client.delete_service(REGION, other)
    assert proof.proven >= recordings("pai-eas", "eas-predict")


def test_pai_dsw(proof: Proof, bucket: oss2.Bucket) -> None:
    name = f"nb_{secrets.token_hex(6)}"
    proof.ids |= {name: "emb_nb", f"oss://{bucket.bucket_name}.": "oss://bucket."}
    instances = "/api/v2/instances"
    body = {
        "Accessibility": "PRIVATE",
        "Datasets": [{"MountPath": "/mnt/data", "Uri": f"oss://{bucket.bucket_name}.{INTERNAL}/data/"}],
        "EcsSpec": "ecs.gn7i-c8g1.2xlarge",
        "ImageUrl": "img",
        "InstanceName": name,
        "WorkspaceId": "12345",
    }
    key = config(proof.cloud)

    def dsw(action: str, method: str, path: str = "", **parts: object) -> dict[str, str]:
        return call(key, "2022-01-01", action, method, f"{instances}{path}", **parts)

    made = proof.sends("pai-dsw.CreateInstance", lambda: dsw("CreateInstance", "POST", body=body))["InstanceId"]
    proof.ids[made] = "dsw-1"
    wait_for(lambda: dsw("GetInstance", "GET", f"/{made}"), lambda seen: seen["Status"] == "Running")
    proof.sends("pai-dsw.GetInstance", lambda: dsw("GetInstance", "GET", f"/{made}"))
    stop = {"SaveImage": False}
    proof.sends("pai-dsw.StopInstance", lambda: dsw("StopInstance", "PUT", f"/{made}/stop", query=stop))
    assert proof.proven >= recordings("pai-dsw")


@pytest.mark.slow
def test_the_ai_search_platform(proof: Proof, cloud: LocalCloud) -> None:
    key = Keyring(cloud.access_key_id, cloud.access_key_secret).api_key
    headers = {"Authorization": f"Bearer {key}", "x-acs-version": "2024-05-29"}
    workspace = f"{proof.cloud.endpoint}/v3/openapi/workspaces/default"
    asked = {
        "GetTextEmbedding": ("text-embedding/ops-text-embedding-001", {"input": ["a"], "input_type": "document"}),
        "GetDocumentRank": ("ranker/ops-bge-reranker-larger", {"docs": ["a", "b"], "query": "q"}),
    }
    for action, (path, body) in asked.items():
        answer = httpx.post(f"{workspace}/{path}", json=body, headers={**headers, "x-acs-action": action}, timeout=120)
        assert answer.status_code == 200
        assert answer.json()["request_id"]
        proof.proven.add(f"opensearch-ai-platform.{action}")
    assert proof.proven >= recordings("opensearch-ai-platform")
