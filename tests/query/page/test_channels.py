"""Suggestions, the conversation, recommendations, and what the page tells the service of the reader."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.query.chat.scripted_model import ScriptedModel
from tests.query.page.conftest import Visit, titles

QUESTION = "How are two tables merged on a key column?"
SUPPORTED = "Two tables are merged with a database-style join on a key column"
UNSUPPORTED = "The moon is made of green cheese and orbits Jupiter."


def ask(page: Page, question: str = QUESTION) -> None:
    """Ask in the conversation, and wait until the answer is over."""
    if not page.locator("#question").is_visible():
        page.get_by_role("button", name="Ask", exact=True).first.click()
    page.fill("#question", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".composer button[type=submit]")


def requests(page: Page) -> list[Request]:
    """The requests that the page makes from now on."""
    made: list[Request] = []

    def note(request: Request) -> None:  # Playwright hangs a mark on the function: a list's own append takes none
        made.append(request)

    page.on("request", note)
    return made


def body(request: Request) -> dict[str, Any]:
    """What was sent."""
    sent: dict[str, Any] = json.loads(request.post_data or "{}")
    return sent


def told(requests: list[Request]) -> list[Request]:
    """Those that carried events."""
    return [request for request in requests if "/v1/events" in request.url]


def test_suggestions_come_as_one_types_and_are_chosen_with_the_keyboard(visitor: Visit) -> None:
    page = visitor.open()
    page.locator("#query").press_sequentially("dataf", delay=20)
    option = page.get_by_role("option")
    expect(option.first).to_have_text("DataFrame.merge")
    expect(page.locator("#query")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(option.first).to_have_attribute("aria-selected", "true")
    expect(page.locator("#query")).to_have_value("DataFrame.merge")
    page.keyboard.press("Enter")
    expect(option).to_have_count(0)
    expect(page.locator(".result .title").first).to_have_text("DataFrame.merge")


def test_escape_closes_the_suggestions_and_leaves_what_was_typed(visitor: Visit) -> None:
    page = visitor.open()
    page.locator("#query").press_sequentially("conca", delay=20)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)
    expect(page.locator("#query")).to_have_value("conca")


def test_a_misspelt_word_is_corrected_and_the_reader_can_refuse(visitor: Visit) -> None:
    page = visitor.search("conctenate tables")
    expect(page.locator(".note")).to_contain_text("These are results for \u201cconcatenate tables\u201d.")
    page.get_by_role("button", name="Search for \u201cconctenate tables\u201d as typed").click()
    expect(page.locator(".note")).to_have_count(0)
    expect(page.locator("#query")).to_have_value("conctenate tables")


def test_a_citation_lights_up_its_passage_and_what_no_passage_holds_is_marked(
    visitor: Visit, model: ScriptedModel
) -> None:
    model.says = lambda _: [f"{SUPPORTED} [1]. ", UNSUPPORTED]
    page = visitor.search("merge two tables")
    ask(page)
    expect(page.locator(".answer")).to_contain_text(SUPPORTED)
    expect(page.locator(".unsupported")).to_have_text(UNSUPPORTED)
    expect(page.locator(".turn")).to_contain_text("No passage supports what is underlined.")
    passage = page.locator(".sources li").first
    expect(passage).not_to_have_class("lit")
    page.get_by_role("button", name="Passage 1", exact=True).click()
    expect(passage).to_have_class("lit")
    expect(passage).to_be_focused()
    expect(passage).to_be_in_viewport()
    expect(page.get_by_role("status")).to_have_text("The answer is there.")


def test_markup_of_a_model_and_of_a_document_stays_text(visitor: Visit, model: ScriptedModel) -> None:
    model.says = lambda _: ["A table <img src=x onerror=alert(1)> in a <b>table</b> [1]."]
    page = visitor.search("script table markup")
    ask(page, "What does the script say of a table and markup?")
    assert page.locator(".panel img, .panel b, .panel script, .panel a").count() == 0
    expect(page.locator(".sources").first).to_contain_text("<script>alert('x')</script>")


def test_a_second_question_goes_on_with_the_conversation(visitor: Visit, model: ScriptedModel) -> None:
    model.says = lambda _: [f"{SUPPORTED} [1]."]
    page = visitor.open()
    asked = requests(page)
    ask(page)
    ask(page, "And along an axis?")
    expect(page.locator(".turn")).to_have_count(2)
    first, second = [body(request) for request in asked if "/v1/chat" in request.url]
    assert "conversation_id" not in first
    assert second["conversation_id"]
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)


def test_stopping_an_answer_stops_the_model(visitor: Visit, model: ScriptedModel) -> None:
    model.says = lambda _: [f"Step {n} joins table {n * n} with key column {n + 7}. " for n in range(200)]
    model.pause_s = 0.1
    page = visitor.open()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".turn")).to_contain_text("Stopped.")
    assert model.left.wait(10)


def test_a_model_that_fails_leaves_the_passages_and_a_sentence(visitor: Visit, model: ScriptedModel) -> None:
    model.status = 500
    page = visitor.open()
    ask(page)
    expect(page.locator(".turn")).to_contain_text("The language model did not answer in time.")
    expect(page.locator(".sources li").first).to_be_attached()


def test_a_chat_that_cannot_be_reached_can_be_tried_again(visitor: Visit, model: ScriptedModel) -> None:
    model.says = lambda _: [f"{SUPPORTED} [1]."]
    visitor.expected.add("ERR_FAILED")
    page = visitor.open()
    page.route("**/v1/chat", lambda route: route.abort())
    ask(page)
    expect(page.locator(".turn").get_by_role("alert")).to_contain_text("The service does not answer.")
    page.unroute("**/v1/chat")
    page.locator(".turn").get_by_role("button", name="Try again").click()
    expect(page.locator(".answer")).to_contain_text(SUPPORTED)


def test_a_document_opens_from_its_passage_and_its_neighbours_beside_it(visitor: Visit, model: ScriptedModel) -> None:
    model.says = lambda _: [f"{SUPPORTED} [1]."]
    page = visitor.open()
    ask(page)
    page.locator(".sources .title").first.click()
    expect(page.locator(".reader h2")).to_have_text("DataFrame.merge")
    page.wait_for_selector(".similar li")
    neighbours = page.locator(".similar .title").all_inner_texts()
    assert "DataFrame.merge" not in neighbours
    page.locator(".similar .title").first.click()
    expect(page.locator(".reader h2")).to_have_text(neighbours[0])
    page.get_by_role("button", name="Ask", exact=True).last.click()
    expect(page.locator(".answer")).to_contain_text(SUPPORTED)


def test_a_click_and_the_time_of_reading_are_told_with_the_trace_of_the_search(visitor: Visit) -> None:
    page = visitor.open()
    made = requests(page)
    page.fill("#query", "merge two tables")
    with page.expect_response("**/v1/search") as searched:
        page.keyboard.press("Enter")
    answer = searched.value.json()
    page.wait_for_selector(".result")
    page.locator(".result .title").nth(1).click()
    page.wait_for_selector(".panel h2")
    page.wait_for_timeout(1300)
    page.keyboard.press("Escape")
    while len(events := [event for request in told(made) for event in body(request)["events"]]) < 2:
        page.wait_for_timeout(200)
    assert [event["type"] for event in events] == ["click", "dwell"]
    for event in events:
        assert event["item_id"] == answer["results"][1]["doc_id"]
        assert (event["trace_id"], event["scene"], event["position"]) == (answer["trace_id"], "search", 2)
        assert event["release"] == answer["release"]
    assert events[1]["value"] >= 1
    for request in told(made):
        response = request.response()
        assert response is not None
        assert (response.status, response.json()["refused"]) == (202, [])


def test_events_wait_while_the_service_cannot_be_reached(visitor: Visit) -> None:
    visitor.expected.add("ERR_FAILED")
    page = visitor.search("table")
    page.route("**/v1/events", lambda route: route.abort())
    page.locator(".result .title").first.click()
    page.wait_for_event("requestfailed", lambda request: "/v1/events" in request.url)
    page.unroute("**/v1/events")
    with page.expect_request("**/v1/events") as sent:
        page.locator(".result .title").nth(1).click()
    types = [event["type"] for event in body(sent.value)["events"]]
    assert types.count("click") == 2


def test_parts_that_were_late_are_named_in_plain_words(visitor: Visit) -> None:
    page = visitor.open()

    def without_two(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"degraded": ["rerank", "opensearch"]})

    page.route("**/v1/search", without_two)
    page.fill("#query", "merge")
    page.keyboard.press("Enter")
    expect(page.locator(".note")).to_have_text("Without the reranker and OpenSearch: no answer in time just now.")


@pytest.mark.parametrize("part", ["suggest", "chat", "recommend", "events"])
def test_a_part_that_the_service_does_not_have_is_not_shown(visitor: Visit, part: str) -> None:
    page = visitor.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    def without_it(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace(f" {part}", "").replace(f"{part} ", ""))

    page.route("**/?*", without_it)
    page = visitor.search("table")
    page.locator("#query").press_sequentially("s", delay=20)
    page.locator(".result .title").first.click()
    page.wait_for_timeout(2000)
    assert titles(page)
    assert not [url for url in asked if f"/v1/{part}" in url]
    if part == "chat":
        assert page.get_by_role("button", name="Ask", exact=True).count() == 0
    if part == "recommend":
        assert page.locator(".similar").count() == 0


def test_more_results_go_on_where_the_page_ended(visitor: Visit) -> None:
    page = visitor.page

    def three_at_a_time(route: Route) -> None:
        route.continue_(post_data=json.dumps(body(route.request) | {"k": 3}))

    page.route("**/v1/search", three_at_a_time)
    visitor.search("table")
    first = titles(page)
    assert len(first) == 3
    page.get_by_role("button", name="More results").click()
    expect(page.locator(".result .title").nth(3)).to_be_focused()
    both = titles(page)
    assert both[:3] == first
    assert len(set(both)) == len(both) > 3
