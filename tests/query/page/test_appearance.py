"""Languages, themes, small screens, and what people with other needs meet."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.query.page.conftest import Visit


def test_the_browsers_language_is_spoken_and_can_be_switched(visit: Callable[..., Visit]) -> None:
    page = visit(locale="zh-CN").search("table")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("button", name="\u641c\u7d22", exact=True)).to_be_visible()
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_role("button", name="Search", exact=True)).to_be_visible()
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_a_language_that_is_not_spoken_here_gets_english(visit: Callable[..., Visit]) -> None:
    page = visit(locale="fr-FR").open()
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you looking for?")


def test_the_system_s_dark_theme_is_followed_and_can_be_overruled(visit: Callable[..., Visit]) -> None:
    page = visit(color_scheme="dark").open()

    def ground() -> int:
        return sum(page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))

    assert ground() < 150
    page.get_by_role("button", name="Theme: as the system").click()
    assert ground() > 600
    page.reload()
    page.wait_for_selector("#query")
    assert ground() > 600
    page.get_by_role("button", name="Theme: light").click()
    assert ground() < 150


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_hangs_over_the_edge(visit: Callable[..., Visit], width: int) -> None:
    page = visit(viewport={"width": width, "height": 800}).search("table", explain="1")
    for action in ("", ".result .title"):
        if action:
            page.click(action)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_filters_are_behind_a_button_and_a_document_covers_the_page(visit: Callable[..., Visit]) -> None:
    page = visit(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True).search("table")
    filters = page.get_by_role("complementary", name="Filters")
    expect(filters).to_be_hidden()
    page.get_by_role("button", name="Filters").tap()
    expect(filters).to_be_visible()
    page.locator(".result .title").first.tap()
    box = page.locator(".panel").bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, 390)
    page.get_by_role("button", name="Close").tap()
    expect(page.locator(".panel")).to_have_count(0)


def test_what_changes_is_announced(visitor: Visit) -> None:
    page = visitor.search("merge two tables")
    expect(page.get_by_role("status")).to_contain_text("document")
