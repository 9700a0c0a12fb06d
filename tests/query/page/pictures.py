"""Take the pictures of the docs: ``python -m tests.query.page.pictures URL CORPUS QUESTION``, over a running stack."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "pictures"
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("corpus")
    parser.add_argument("question")
    given = parser.parse_args()
    home = f"{given.url}/?corpus={given.corpus}"
    address = f"{home}&q={quote_plus(given.question)}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        take(_home(chromium, home), "home")
        take(_results(chromium, f"{address}&explain=1"), "results")
        take(_chat(chromium, address, given.question), "chat", quality=62)
        take(_results(chromium, address, **PHONE), "phone", quality=65)
        dark = _results(chromium, f"{address}&explain=1", locale="zh-CN", color_scheme="dark")
        dark.locator(".result .title").nth(1).click()
        dark.wait_for_selector(".similar li, .similar .soft")
        take(dark, "dark")
        chromium.close()


def take(page: Page, name: str, quality: int = 72) -> None:
    """Take one picture of the page as it is."""
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)
    path = FOLDER / f"{name}.jpg"
    page.screenshot(path=path, type="jpeg", quality=quality)
    print(f"{path}: {path.stat().st_size // 1024} KB")  # noqa: T201


def _open(chromium: Browser, address: str, **profile: Any) -> Page:
    page = chromium.new_context(
        **({"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"} | profile)
    ).new_page()
    page.goto(address)
    return page


def _home(chromium: Browser, url: str) -> Page:
    page = _open(chromium, url)
    page.wait_for_selector(".cards article, .home .soft")
    return page


def _results(chromium: Browser, address: str, **profile: Any) -> Page:
    page = _open(chromium, address, **profile)
    page.wait_for_selector(".result")
    return page


def _chat(chromium: Browser, address: str, question: str) -> Page:
    page = _results(chromium, address)
    page.locator(".ask").click()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".composer [type=submit]", timeout=120_000)
    page.locator(".cite").first.click()
    return page


if __name__ == "__main__":
    main()
