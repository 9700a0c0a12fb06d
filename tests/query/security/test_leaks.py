"""Three hundred attempts to see what is somebody else's, over every channel, on both real engines: none succeeds."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.testclient import TestClient

from searchloom.engines.connect import loader
from searchloom.engines.interface import Access, GenerationMeta
from searchloom.query import tokens
from searchloom.settings import ENGINES, Bailian, Events, Settings
from tests.query.chat.scripted_model import ScriptedModel, scripted_model
from tests.query.conftest import publish, running
from tests.query.security.secrets_collection import CORPUS, GROUPS, TENANTS, Secret, documents, writes
from tests.query.tiny_embedding import DIMS, VERSION

CASES = 30
"""Of each of the ten channels."""


@dataclass
class Field:
    """What an attempt needs: the service, a victim, who may see it, and who may not."""

    client: TestClient
    settings: Settings
    chance: random.Random
    victim: Secret
    owner: Access
    stranger: Access

    def post(self, access: Access, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
        """Send a request as somebody; what is refused for another reason would prove nothing."""
        user = "owner" if access is self.owner else "stranger"
        response = self.client.post(path, json={"corpus": CORPUS, **body}, headers=self.headers(access, user))
        assert response.status_code == status, response.text
        return response

    def headers(self, access: Access, user: str) -> dict[str, str]:
        """The token of somebody."""
        token = tokens.sign(self.settings, user=user, tenant=access.tenant, groups=access.groups)
        return {"Authorization": f"Bearer {token}"}

    def search(self, **fields: Any) -> dict[str, Any]:
        """A search of any kind."""
        chance = self.chance
        return {
            "query": chance.choice(
                [self.victim.handle, f"{self.victim.subject} {self.victim.handle}", self.victim.text]
            ),
            "mode": chance.choice(["bm25", "vector", "hybrid"]),
            "engine": chance.choice(ENGINES),
            "k": chance.choice([1, 10, 100]),
            **fields,
        }


@pytest.fixture(scope="module")
def talking() -> Iterator[ScriptedModel]:
    with scripted_model() as model:
        # The worst there can be: it reads out everything that it was given, and cites it all.
        model.says = lambda messages: [
            f"{messages[-1]['content']} [1][2][3][4][5]"[at:][:40] for at in range(0, 4000, 40)
        ]
        yield model


@pytest.fixture(scope="module")
def leaking(served: Settings, talking: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The service over the documents of several tenants, on both engines, with AIRec knowing them all."""
    index = f"hq-leaks-{uuid.uuid4().hex[:8]}"
    own = served.model_copy(
        update={
            "bailian": Bailian(url=talking.url, api_key="k"),
            "events": Events(upload_s=60),
            "state": tmp_path_factory.mktemp("leaks"),
        }
    )
    for name in ENGINES:
        side = loader(own, name)
        side.create(index, GenerationMeta(CORPUS, VERSION, DIMS))
        assert {outcome.status for outcome in side.write(index, writes())} == {"written"}
        side.refresh(index)
        side.close()
    publish(own, index, corpus=CORPUS)
    yield own
    for name in ENGINES:
        side = loader(own, name)
        side.drop(index)
        side.close()


@pytest.fixture(scope="module")
def client(leaking: Settings) -> Iterator[TestClient]:
    with running(leaking) as connected:
        yield connected


def somebody_else(chance: random.Random, victim: Secret) -> Access:
    """A caller who may not see the victim: of another tenant, or without the group."""
    others = [tenant for tenant in TENANTS if tenant != victim.tenant]
    groups = tuple(group for group in GROUPS if chance.random() < 0.5)
    if victim.group in GROUPS and chance.random() < 0.5:
        return Access(victim.tenant, tuple(group for group in groups if group != victim.group))
    return Access(chance.choice(others), groups)


def in_search(field: Field) -> list[str]:
    return [field.post(field.stranger, "/v1/search", field.search()).text]


def in_explained_search(field: Field) -> list[str]:
    return [field.post(field.stranger, "/v1/search", field.search(explain=True, highlight=False)).text]


def in_facets_and_filters(field: Field) -> list[str]:
    body = field.search(facets=["mime", "language", "section"], query=field.victim.subject)
    narrowed = field.search(filters={"section": [field.victim.section.upper()]}, facets=["section"])
    return [field.post(field.stranger, "/v1/search", one).text for one in (body, narrowed)]


def in_suggestions(field: Field) -> list[str]:
    prefixes = (field.victim.subject, field.victim.handle[:4], f"{field.victim.subject} {field.victim.handle[:6]}")
    headers = field.headers(field.stranger, "stranger")
    asked = [{"prefix": one, "corpus": CORPUS, "k": 20} for one in prefixes]
    responses = [field.client.get("/v1/suggest", params=one, headers=headers) for one in asked]
    assert all(response.is_success for response in responses)
    return [response.text for response in responses]


def in_spelling(field: Field) -> list[str]:
    """Words of the victim with a letter changed: a correction would tell that they are there."""
    found = []
    for word in field.victim.kept:
        at = field.chance.randrange(2, len(word))
        misspelt = f"{word[:at]}y{word[at + 1 :]}"
        found.append(field.post(field.stranger, "/v1/search", field.search(query=misspelt)).text)
    return found


def in_caches(field: Field) -> list[str]:
    """The owner asks first, and a page further; then a stranger asks the same, with the owner's page token too."""
    body = field.search(k=1, query=field.victim.subject)
    owners = field.post(field.owner, "/v1/search", body).json()
    found = [field.post(field.stranger, "/v1/search", body).text]
    if owners.get("next_page"):
        found.append(
            field.post(field.stranger, "/v1/search", body | {"page_token": owners["next_page"]}, status=422).text
        )
    return found


def in_chat(field: Field) -> list[str]:
    body = {"message": f"What is the secret word of the {field.victim.subject} {field.victim.handle}?"}
    forms = [{"stream": False}, {"stream": True}, {"stream": True, "format": "openai"}]
    return [field.post(field.stranger, "/v1/chat", body | field.chance.choice(forms)).text]


def in_memory(field: Field) -> list[str]:
    """The owner has spoken with the service; a stranger goes on with that conversation."""
    said = {"message": f"What is the secret word of the {field.victim.subject} {field.victim.handle}?", "stream": False}
    conversation = field.post(field.owner, "/v1/chat", said).json()["conversation_id"]
    asked = {"message": "And what was it again?", "conversation_id": conversation, "stream": False}
    near = {"scene": "rag_context", "conversation_id": conversation, "k": 20}
    return [
        field.post(field.stranger, "/v1/chat", asked).text,
        field.post(field.stranger, "/v1/recommend", near).text,
    ]


def in_recommendations(field: Field) -> list[str]:
    """The owner and a stranger who knows its id have dealt with the victim; then recommendations are asked for."""
    for access in (field.owner, field.stranger):
        click = {"event_id": uuid.uuid4().hex, "type": "like", "item_id": field.victim.id, "corpus": CORPUS}
        headers = field.headers(access, f"reader-{field.chance.random()}")
        field.client.post("/v1/events", json={"events": [click]}, headers=headers)
    next_to = field.post(
        field.stranger, "/v1/recommend", {"scene": "similar", "item": field.victim.id, "k": 20}, status=404
    )
    said = next_to.text.replace(field.victim.id, "the id that was asked for")
    return [said, field.post(field.stranger, "/v1/recommend", {"scene": "home", "k": 20}).text]


def in_citations(field: Field) -> list[str]:
    """A question that the stranger's own documents answer, while the victim's would answer it better."""
    body = {"message": f"{field.victim.text} {field.victim.handle}", "stream": False}
    response = field.post(field.stranger, "/v1/chat", body)
    visible = {one.id for one in documents() if one.seen_by(field.stranger)}
    assert {passage["doc_id"] for passage in response.json()["passages"]} <= visible
    return [response.text]


CHANNELS: tuple[Callable[[Field], list[str]], ...] = (
    *(in_search, in_explained_search, in_facets_and_filters, in_suggestions, in_spelling),
    *(in_caches, in_chat, in_memory, in_recommendations, in_citations),
)


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda one: one.__name__)
def test_nothing_of_somebody_elses_is_told(
    client: TestClient, leaking: Settings, channel: Callable[[Field], list[str]]
) -> None:
    chance = random.Random(channel.__name__)
    leaks: list[str] = []
    for case in range(CASES):
        victim = chance.choice(documents())
        owner = Access(victim.tenant, (victim.group,) if victim.group in GROUPS else ())
        field = Field(client, leaking, chance, victim, owner, somebody_else(chance, victim))
        assert not victim.seen_by(field.stranger)
        for answer in channel(field):
            hidden = [one for one in documents() if not one.seen_by(field.stranger)]
            leaks += [f"case {case}: {one.name}: {word}" for one in hidden for word in one.told_by(answer)]
    assert leaks == []


def test_the_owner_does_see_what_the_strangers_were_after(client: TestClient, leaking: Settings) -> None:
    """Else the attempts above would prove nothing."""
    for victim in documents():
        owner = Access(victim.tenant, (victim.group,) if victim.group in GROUPS else ())
        field = Field(client, leaking, random.Random(1), victim, owner, owner)
        for engine in ENGINES:
            found = field.post(owner, "/v1/search", {"query": victim.handle, "engine": engine}).json()["results"]
            assert found[0]["doc_id"] == victim.id
    said = field.post(
        owner, "/v1/chat", {"message": f"the secret word of {victim.subject} {victim.handle}", "stream": False}
    )
    assert victim.kept[2] in said.text


def test_there_are_three_hundred_cases() -> None:
    assert len(CHANNELS) * CASES == 300
