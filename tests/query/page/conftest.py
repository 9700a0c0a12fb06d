"""The page in a real Chromium, over a real query module on both real engines."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from searchloom.settings import Settings
from tests.query.chat.scripted_model import ScriptedModel, scripted_model
from tests.query.collection import CORPUS
from tests.query.test_process import query_service


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium; apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def speaker() -> Iterator[ScriptedModel]:
    """The language model behind the page's chat."""
    with scripted_model() as scripted:
        yield scripted


@pytest.fixture
def model(speaker: ScriptedModel) -> ScriptedModel:
    """The language model, as if nobody had told it anything."""
    speaker.reset()
    return speaker


@pytest.fixture(scope="package")
def site(served: Settings, speaker: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the query module serves the page, with a demo token."""
    given = {
        "QUERY__DEMO_TOKEN": "true",
        "BAILIAN__URL": speaker.url,
        "BAILIAN__API_KEY": "k",
        "CHAT__FIRST_WORD_MS": "5000",
        "CHAT__DEADLINE_MS": "20000",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(f"SEARCHLOOM_{name}", value)
        with query_service(served, tmp_path_factory.mktemp("page") / "query.log") as (url, _):
            yield url


@dataclass
class Visit:
    """A visitor's page, and what the browser complained about."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)

    def open(self, **words: str) -> Page:
        """Open the page with these words in its address, and wait until it can be used."""
        query = "&".join(f"{name}={value}" for name, value in ({"corpus": CORPUS} | words).items())
        self.page.goto(f"{self.site}/?{query}")
        self.page.wait_for_selector("#query")
        return self.page

    def search(self, query: str, **words: str) -> Page:
        """Open the page at a search, and wait for its results."""
        page = self.open(q=query, **words)
        page.wait_for_selector(".result, .empty, .failure")
        return page

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the console says is wrong; a refused script or style is such a message."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Visit]]:
    """Visitors, each with a browser profile of its own; in the end the browser must not have complained."""
    visits: list[Visit] = []

    def arrive(**profile: Any) -> Visit:
        context = browser.new_context(**({"locale": "en-GB", "reduced_motion": "reduce"} | profile))
        made = Visit(context.new_page(), site)
        made.page.set_default_timeout(15_000)
        made.page.on("console", made.note)
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        visits.append(made)
        return made

    yield arrive
    for one in visits:
        one.page.context.close()
        assert [text for text in one.complaints if not any(known in text for known in one.expected)] == []


@pytest.fixture
def visitor(visit: Callable[..., Visit]) -> Visit:
    """A visitor with a desktop and English."""
    return visit()


def titles(page: Page) -> list[str]:
    """The titles of the results, from the top."""
    return page.locator(".result .title").all_inner_texts()
