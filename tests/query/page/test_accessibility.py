"""WCAG 2.2 A and AA, as far as axe-core can check it: it is fetched when the test runs, and is no part of the page."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.query.chat.scripted_model import ScriptedModel
from tests.query.page.conftest import Visit

AXE = "axe-core@4.14.1"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, check=False)
    if packed.returncode:
        pytest.skip(f"npm cannot fetch {AXE}: {packed.stderr.strip()[-200:]}")
    with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source
        return source.read().decode()


def violations(page: Page, axe: str) -> list[str]:
    """What axe finds wrong, one line a rule."""
    page.evaluate(axe)
    found = page.evaluate(f"axe.run(document, {{ runOnly: {json.dumps(RULES)} }})")
    return [
        f"{rule['id']}: {rule['help']}: {[node['target'] for node in rule['nodes']][:4]}"
        for rule in found["violations"]
    ]


def at_home(visitor: Visit) -> Page:
    return visitor.open()


def with_results(visitor: Visit) -> Page:
    return visitor.search("table", explain="1", language="en")


def with_options(visitor: Visit) -> Page:
    page = visitor.search("table")
    page.get_by_text("Options").click()
    return page


def with_a_document(visitor: Visit) -> Page:
    page = visitor.search("table")
    page.locator(".result .title").first.click()
    page.wait_for_selector(".panel h2")
    return page


def with_help(visitor: Visit) -> Page:
    page = visitor.search("table")
    page.get_by_role("button", name="Keyboard and help").click()
    return page


def with_an_answer(visitor: Visit) -> Page:
    page = visitor.search("table")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.fill("#question", "How are two tables merged on a key column?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".composer button[type=submit]")
    page.get_by_role("button", name="Passage 1").first.click()
    return page


def with_suggestions(visitor: Visit) -> Page:
    page = visitor.open()
    page.locator("#query").press_sequentially("dataf", delay=20)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    return page


def without_results(visitor: Visit) -> Page:
    return visitor.search("xyzzyplugh", mode="bm25")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "view",
    [
        *(at_home, with_suggestions, with_results, with_options, with_a_document, with_an_answer, with_help),
        without_results,
    ],
)
def test_axe_finds_nothing_wrong(
    visit: Callable[..., Visit], axe: str, model: ScriptedModel, view: Callable[[Visit], Page], scheme: str
) -> None:
    model.says = lambda _: ["Two tables are merged on a key column [1]. ", "The moon is made of green cheese."]
    page = view(visit(color_scheme=scheme))
    assert violations(page, axe) == []
