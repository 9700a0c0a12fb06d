"""The query service over the small collection, with a language model that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from searchloom.settings import Bailian, Settings
from tests.query.chat.scripted_model import ScriptedModel, scripted_model
from tests.query.conftest import running


@pytest.fixture(scope="session")
def speaking() -> Iterator[ScriptedModel]:
    with scripted_model() as model:
        yield model


@pytest.fixture
def model(speaking: ScriptedModel) -> ScriptedModel:
    speaking.reset()
    return speaking


@pytest.fixture(scope="session")
def chatting(served: Settings, speaking: ScriptedModel) -> Settings:
    """Settings under which the scripted model answers."""
    chat = served.chat.model_copy(update={"first_word_ms": 5000, "deadline_ms": 20_000, "rewrite_ms": 2000})
    return served.model_copy(update={"bailian": Bailian(url=speaking.url, api_key="k"), "chat": chat})


@pytest.fixture(scope="session")
def chat_client(chatting: Settings) -> Iterator[TestClient]:
    with running(chatting) as connected:
        yield connected
