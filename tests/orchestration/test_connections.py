from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr

from searchloom.orchestration.connections import environment
from searchloom.settings import Acs, Airec, Bailian, Engine, Oss, Pai, Settings


def test_each_service_of_the_settings_becomes_one_connection() -> None:
    settings = Settings(
        oss=Oss(endpoint="http://127.0.0.1:9610", access_key_id="id", access_key_secret=SecretStr("secret")),
        acs=Acs(endpoint="http://127.0.0.1:9610", access_key_id="acs-id", access_key_secret=SecretStr("acs-secret")),
        pai=Pai(workspace_id="12345"),
        airec=Airec(instance_id="airec-cn-1"),
        bailian=Bailian(url="http://127.0.0.1:9610", api_key=SecretStr("sk-1"), workspace_id="llm-1"),
        opensearch=Engine(url="http://127.0.0.1:9200"),
        elasticsearch=Engine(url="https://es.example:9243", username="u", ca_certs=Path("/certs/ca.pem")),
    )
    connections = {name: json.loads(text) for name, text in environment(settings).items()}
    names = ("AIREC", "BAILIAN", "OSS", "PAI")
    assert sorted(connections) == [
        *(f"AIRFLOW_CONN_ALIBABA_{name}" for name in names),
        "AIRFLOW_CONN_ELASTICSEARCH_DEFAULT",
        "AIRFLOW_CONN_OPENSEARCH_DEFAULT",
    ]
    oss = connections["AIRFLOW_CONN_ALIBABA_OSS"]
    assert (oss["conn_type"], oss["login"], oss["password"]) == ("alibaba_oss", "id", "secret")
    assert oss["extra"]["bucket"] == settings.oss.bucket
    pai = connections["AIRFLOW_CONN_ALIBABA_PAI"]
    assert (pai["conn_type"], pai["login"], pai["password"]) == ("alibaba_pai", "acs-id", "acs-secret")
    assert (pai["host"], pai["extra"]["workspace_id"]) == ("http://127.0.0.1:9610", "12345")
    airec = connections["AIRFLOW_CONN_ALIBABA_AIREC"]
    assert (airec["conn_type"], airec["extra"]["instance_id"]) == ("alibaba_airec", "airec-cn-1")
    bailian = connections["AIRFLOW_CONN_ALIBABA_BAILIAN"]
    assert (bailian["host"], bailian["password"]) == ("http://127.0.0.1:9610", "sk-1")
    assert (bailian["extra"]["access_key_id"], bailian["extra"]["workspace_id"]) == ("acs-id", "llm-1")
    elasticsearch = connections["AIRFLOW_CONN_ELASTICSEARCH_DEFAULT"]
    assert (elasticsearch["schema"], elasticsearch["host"], elasticsearch["port"]) == ("https", "es.example", 9243)
    assert elasticsearch["extra"]["ca_certs"] == "/certs/ca.pem"
