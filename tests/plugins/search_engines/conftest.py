"""The engines' connections lead to both real engines, that of the bucket to a real object store."""

from __future__ import annotations

import pytest

from searchloom.cloud.oss import Oss
from searchloom.orchestration.connections import environment
from searchloom.settings import Oss as OssSettings
from searchloom.settings import Settings


@pytest.fixture(autouse=True)
def _connected(settings: Settings, store_settings: OssSettings, oss: Oss, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = store_settings.model_copy(update={"bucket": oss.bucket_name})
    for name, value in environment(settings.model_copy(update={"oss": bucket})).items():
        monkeypatch.setenv(name, value)
