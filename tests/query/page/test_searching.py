"""Searching in the page, with the mouse and with the keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.query.collection import CORPUS
from tests.query.page.conftest import Visit, titles


def focused(page: Page) -> str:
    """Text of the element that has the focus, or its id."""
    found: str = page.evaluate("document.activeElement.innerText || document.activeElement.id")
    return found


def test_words_are_searched_marked_and_kept_in_the_address(visitor: Visit) -> None:
    page = visitor.open()
    expect(page.get_by_role("heading", level=1)).to_have_text("What are you looking for?")
    page.fill("#query", "merge two tables")
    page.keyboard.press("Enter")
    page.wait_for_selector(".result")
    assert titles(page)[0] == "DataFrame.merge"
    assert "merge" in page.locator(".result mark").first.inner_text().lower()
    assert "q=merge+two+tables" in page.url
    assert page.title().startswith("merge two tables")
    page.go_back()
    expect(page.locator(".result")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".result").first).to_contain_text("DataFrame.merge")


def test_a_document_is_shown_as_text_and_never_executed(visitor: Visit) -> None:
    page = visitor.open()
    page.evaluate("() => { window.alert = () => { window.executed = true; }; }")
    page.fill("#query", "script table markup")
    page.keyboard.press("Enter")
    result = page.locator(".result").filter(has_text="<script>alert('x')</script>")
    expect(result).to_contain_text("<em>markup</em> in a")
    expect(result.locator("script, em")).to_have_count(0)
    assert page.evaluate("window.executed") is None


def test_even_a_mistake_in_the_page_could_not_make_markup(visitor: Visit) -> None:
    page = visitor.open()
    visitor.expected |= {"TrustedHTML", "Content Security Policy", "violates"}
    refused = page.evaluate(
        "() => { try { document.body.innerHTML = '<img src=x>'; return ''; } catch (error) { return error.name; } }"
    )
    assert refused == "TypeError"


def test_the_keyboard_alone_searches_walks_opens_and_comes_back(visitor: Visit) -> None:
    page = visitor.search("table")
    page.locator("#results").focus()
    page.keyboard.press("/")
    assert focused(page) == "query"
    names = titles(page)
    assert len(names) > 2
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert focused(page) == names[1]
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_have_text(names[1])
    expect(page.locator("#panel-heading")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_have_count(0)
    expect(page.locator(".result .title").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert focused(page) == "query"


def test_the_question_mark_shows_the_keys_and_single_keys_can_be_switched_off(visitor: Visit) -> None:
    page = visitor.search("table")
    page.locator("#results").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Go to the search box")
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.locator("#results").focus()
    page.keyboard.press("/")
    expect(page.locator("#query")).not_to_be_focused()
    page.reload()
    page.wait_for_selector(".result")
    page.locator("#results").focus()
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()


def test_bars_say_why_a_result_stands_where_it_does(visitor: Visit) -> None:
    page = visitor.search("merge two tables")
    expect(page.locator(".why")).to_have_count(0)
    page.get_by_role("button", name="Why here?").first.click()
    expect(page.locator(".why")).to_have_count(1)
    expect(page.locator(".why").first).to_contain_text("Words")
    expect(page.locator(".why").first).to_contain_text("Meaning")
    page.locator("#results").focus()
    page.keyboard.press("e")
    expect(page.locator(".why")).to_have_count(len(titles(page)))
    widths = [
        float(one.rstrip("%"))
        for one in page.locator(".why rect").evaluate_all("all => all.map(one => one.getAttribute('width'))")
    ]
    assert widths
    assert all(0 <= width <= 100 for width in widths)
    assert "explain=1" in page.url


def test_a_filter_narrows_stands_in_the_address_and_is_taken_off(visitor: Visit) -> None:
    page = visitor.search("table")
    everything = titles(page)
    page.get_by_role("complementary", name="Filters").get_by_label("Chinese").check()
    expect(page.locator(".result .title")).to_have_text(["\u5408\u5e76\u8868\u683c"])
    assert "language=zh" in page.url
    page.get_by_role("button", name="Remove the filter Chinese").click()
    expect(page.locator(".result .title")).to_have_text(everything)
    assert "language" not in page.url


def test_dates_narrow_and_an_empty_answer_says_what_to_do(visitor: Visit) -> None:
    page = visitor.search("table", after="2035-01-01")
    expect(page.locator(".empty")).to_contain_text("The filters may hide what you look for.")
    page.locator(".empty").get_by_role("button", name="Clear all filters").click()
    page.wait_for_selector(".result")


def test_a_search_that_finds_nothing_gives_advice(visitor: Visit) -> None:
    page = visitor.search("xyzzyplugh", mode="bm25")
    expect(page.locator(".empty")).to_contain_text("No document matches.")
    expect(page.locator(".empty li")).to_have_count(3)


def test_the_ranking_and_the_engine_can_be_chosen(visitor: Visit) -> None:
    page = visitor.search("merge two tables")
    page.get_by_text("Options").click()
    page.get_by_label("Elasticsearch").check()
    expect(page.locator(".bar .facts")).to_contain_text("Elasticsearch")
    page.get_by_label("Words only").check()
    expect(page).to_have_url(re.compile("mode=bm25&engine=elasticsearch"))
    page.keyboard.press("Escape")
    expect(page.get_by_label("Words only")).to_be_hidden()


def test_an_older_answer_never_covers_a_newer_one(visitor: Visit) -> None:
    page = visitor.open()
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if "parquet" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/search", hold_the_first)
    page.fill("#query", "parquet")
    page.keyboard.press("Enter")
    expect(page.locator(".bar .facts")).to_have_text("Searching \u2026")
    page.fill("#query", "merge two tables")
    page.keyboard.press("Enter")
    expect(page.locator(".result .title").first).to_have_text("DataFrame.merge")
    for route in held:
        route.abort()
    expect(page.locator(".result .title").first).to_have_text("DataFrame.merge")


def test_a_service_that_is_gone_is_said_and_searching_goes_on_when_it_is_back(visitor: Visit) -> None:
    page = visitor.search("table")
    visitor.expected.add("ERR_FAILED")
    page.route("**/v1/search", lambda route: route.abort())
    page.fill("#query", "merge")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".result .title").first).to_have_text("DataFrame.merge")


def test_an_unknown_collection_is_an_error_with_a_sentence_and_a_reference(visitor: Visit) -> None:
    visitor.expected.add("404")
    page = visitor.search("table", corpus="nowhere")
    expect(page.get_by_role("alert")).to_contain_text("nowhere")
    expect(page.get_by_role("alert")).to_contain_text("Reference for whoever helps")


def test_without_a_token_the_page_asks_for_one(visit: Callable[..., Visit]) -> None:
    visitor = visit()
    visitor.expected.add("401")
    page = visitor.page

    def without_token(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(
            response=answer,
            body=answer.text().replace('searchloom-token" content="', 'searchloom-token" content="" x="'),
        )

    page.route("**/?*", without_token)
    page.goto(f"{visitor.site}/?corpus={CORPUS}&q=table")
    page.get_by_label("Token").fill("no.token.atall")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    token = page.evaluate("fetch('/').then(r => r.text()).then(t => /token\" content=\"([\\w.-]+)/.exec(t)[1])")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Use it").click()
    expect(page.locator(".result").first).to_be_visible()


def test_a_search_typed_before_the_collections_are_known_is_made_once_they_are(visitor: Visit) -> None:
    page = visitor.page
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/corpora", hold)
    page.goto(visitor.site)
    page.fill("#query", "merge two tables")
    page.keyboard.press("Enter")
    expect(page.locator(".skeleton")).to_be_visible()
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.locator(".result .title").first).to_have_text("DataFrame.merge")


def test_a_new_release_is_noted_quietly(visitor: Visit) -> None:
    page = visitor.open()

    def one_release_on(route: Route) -> None:
        answer = route.fetch()
        corpora = answer.json()
        for one in corpora["corpora"]:
            one["release"] += 1
        route.fulfill(response=answer, json=corpora)

    page.clock.install()
    page.reload()
    page.fill("#query", "merge two tables")
    page.keyboard.press("Enter")
    page.wait_for_selector(".result")
    expect(page.locator(".bar .facts")).to_contain_text("release 1")
    page.route("**/v1/corpora", one_release_on)
    page.clock.run_for(65_000)
    expect(page.locator(".note")).to_contain_text("Release 2 serves now")
    expect(page.locator(".result").first).to_be_visible()
