"""Model services on the local PAI-EAS: put up, probed against the model, believed or taken down again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from searchloom.cloud.oss import Oss
from searchloom.cloud.pai_eas import PaiEas
from searchloom.embedding import model as models
from searchloom.embedding.card import ModelCard, card_key
from searchloom.errors import NotFound, Terminal
from searchloom.query.deadline import Deadline
from searchloom.query.model_services import ModelServices
from searchloom.release import probe, services
from searchloom.release.document import EmbeddingModel, Release, Reranker
from searchloom.settings import Acs, Embedding, Settings
from searchloom.settings import Oss as OssSettings
from tests.query.conftest import model_service
from tests.query.tiny_embedding import TOKEN
from tests.release import rerankers
from tests.servers import local_cloud

RERANKER = "own-reranker-0123456789ab"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a local cloud whose bucket holds the base embedding model."""
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        secret = SecretStr(running.access_key_secret)
        settings = Settings(
            profile="local",
            cache=tmp_path_factory.mktemp("cache"),
            oss=OssSettings(endpoint=running.endpoint, access_key_id=running.access_key_id, access_key_secret=secret),
            acs=Acs(endpoint=running.endpoint, access_key_id=running.access_key_id, access_key_secret=secret),
            embedding=Embedding(token=SecretStr(TOKEN), threads=1),
        )
        oss = Oss(settings.oss)
        oss.ensure_bucket()
        models.publish_base(oss, settings)
        yield settings


@pytest.fixture(scope="module")
def oss(cloud: Settings) -> Oss:
    return Oss(cloud.oss)


@pytest.fixture(scope="module")
def eas(cloud: Settings) -> PaiEas:
    return PaiEas(cloud.acs)


@pytest.fixture(scope="module")
def base(cloud: Settings, oss: Oss) -> ModelCard:
    return models.read_card(oss, models.base_version(cloud))


def test_names_are_what_eas_allows() -> None:
    assert services.name_of("own-embedding-0123456789ab", "embedding") == "sl_emb_0123456789ab"
    assert services.name_of(RERANKER, "reranker") == "sl_rr_0123456789ab"
    assert services.name_of("all-MiniLM-L6-v2", "embedding") == "sl_emb_all_minilm_l6_v2"
    long = [services.name_of("x" * 80 + end, "embedding") for end in "ab"]
    assert len(set(long)) == 2
    assert max(map(len, long)) <= 60


@pytest.mark.slow
async def test_an_embedding_service_answers_like_the_model_and_is_found_again(
    cloud: Settings, oss: Oss, eas: PaiEas, base: ModelCard
) -> None:
    deployed = services.deploy(
        eas, oss, version=base.version, kind="embedding", settings=cloud, texts=["of the corpus"]
    )
    assert probe.LEAST_COSINE <= deployed.agreement <= 1.0001
    assert services.deploy(eas, oss, version=base.version, kind="embedding", settings=cloud).url == deployed.url
    assert [one.version for one in eas.list(name_contains="sl_emb")] == [1]
    model = EmbeddingModel(version=base.version, dims=base.dims, service=deployed.url)
    client = ModelServices(cloud)
    assert len(await client.embed("tables", model, Deadline.after(30))) == base.dims
    await client.close()
    facts = {"corpus": "c", "number": 1, "generation": {}, "created": base.created, "created_by": "tests"}
    release = Release(embedding=model, **facts)
    services.require(release, cloud)
    services.undeploy(eas, name=deployed.name)
    services.undeploy(eas, name=deployed.name)
    with pytest.raises(Terminal, match=f"needs service '{deployed.name}' .* deploy it again first"):
        services.require(release, cloud)


@pytest.mark.slow
async def test_a_reranker_service_answers_like_the_model(
    cloud: Settings, oss: Oss, eas: PaiEas, tmp_path: Path
) -> None:
    rerankers.publish(oss, tmp_path, RERANKER)
    deployed = services.deploy(eas, oss, version=RERANKER, kind="reranker", settings=cloud)
    assert deployed.agreement >= probe.LEAST_CORRELATION
    model = Reranker(version=RERANKER, service=deployed.url, weight=0.5, max_tokens=rerankers.MAX_TOKENS)
    client = ModelServices(cloud)
    scores = await client.rerank("tables", ["join two tables", "the weather"], model, Deadline.after(30))
    await client.close()
    assert len(set(scores)) == 2
    services.undeploy(eas, name=deployed.name)


@pytest.mark.slow
def test_a_card_that_lies_is_refused_with_one_sentence_and_leaves_no_service(
    cloud: Settings, oss: Oss, eas: PaiEas, base: ModelCard, tmp_path: Path
) -> None:
    rerankers.publish(oss, tmp_path, "own-reranker-liar", fingerprint="0" * 64)
    lie = json.loads(base.model_copy(update={"version": "own-embedding-liar", "dims": 768}).model_dump_json())
    for entry in list(oss.list(f"models/embedding/{base.version}/")):
        oss.put(entry.key.replace(base.version, "own-embedding-liar"), oss.get(entry.key))
    oss.put_json(card_key("own-embedding-liar"), lie)
    with pytest.raises(Terminal, match="files of 'own-reranker-liar' are not those that its card was written for"):
        services.deploy(eas, oss, version="own-reranker-liar", kind="reranker", settings=cloud)
    with pytest.raises(Terminal, match="makes vectors of 384 numbers, its card says 768"):
        services.deploy(eas, oss, version="own-embedding-liar", kind="embedding", settings=cloud)
    assert list(eas.list(name_contains="liar")) == []


@pytest.mark.slow
def test_a_service_that_does_not_answer_like_the_model_is_not_believed(
    cloud: Settings, oss: Oss, base: ModelCard
) -> None:
    with model_service(base.version, str(base.dims)) as impostor, pytest.raises(Terminal, match="does not answer like"):
        probe.agreement(oss, base, impostor.url, cloud)
    with model_service("own-2", str(base.dims)) as other, pytest.raises(Terminal, match="is not served here"):
        probe.agreement(oss, base, other.url, cloud)


def test_a_model_without_a_card_does_not_exist(cloud: Settings, oss: Oss, eas: PaiEas) -> None:
    with pytest.raises(NotFound, match="own-embedding-none"):
        services.deploy(eas, oss, version="own-embedding-none", kind="embedding", settings=cloud)
