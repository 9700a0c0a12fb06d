"""One local cloud for the judges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import LocalCloud, local_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with local_cloud(tmp_path_factory.mktemp("judged")) as running:
        yield running
