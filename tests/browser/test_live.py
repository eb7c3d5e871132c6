"""Two readers at once: each sees what the other writes, and loses nothing."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

THREAD = "/threads/kleen-tsc-scaling"
DRAFT = "A half-written thought, which"
SOON = 1000
"""Milliseconds within which the one sees what the other sent."""


@pytest.fixture
def other_page(
    browser: Browser, base_url: str, signed_in_state: Any
) -> Iterator[Page]:
    """Return a page in another browser of the same reviewer."""
    context = browser.new_context(
        base_url=base_url, storage_state=signed_in_state
    )
    yield context.new_page()
    context.close()


def open_live(page: Page, path: str) -> None:
    """Open a page and wait until it is told of news."""
    with page.expect_response(lambda answer: "/events?" in answer.url) as got:
        page.goto(path)
    assert got.value.status == 200


def reply(page: Page, text: str) -> None:
    """Send a reply from the page of the thread."""
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Reply", exact=True).click()
    page.locator(".post").get_by_text(text).wait_for()


@pytest.fixture
def thread(server: Server, reviewer_page: Page) -> str:
    """Return the address of a thread."""
    assert server.url
    reviewer_page.goto("/threads/?state=disputed")
    href = reviewer_page.locator("a.row-title").first.get_attribute("href")
    assert href
    return href


def test_a_reply_is_seen_elsewhere_and_a_draft_stays(
    reviewer_page: Page, other_page: Page, thread: str
) -> None:
    """A line says so at once; the replies come when they are asked for."""
    page = reviewer_page
    open_live(page, thread)
    page.get_by_label("Text").fill(DRAFT)
    page.get_by_label("Text").evaluate("area => area.setSelectionRange(2, 6)")
    other_page.goto(thread)
    reply(other_page, "First of two.")
    line = page.get_by_role("status").filter(has_text="new reply")
    expect(line).to_contain_text("1 new reply", timeout=SOON)
    expect(page.get_by_text("First of two.")).to_have_count(0)
    expect(page.get_by_label("Text")).to_be_focused()
    reply(other_page, "Second of two.")
    expect(page.locator("#live")).to_contain_text("2 new replies")

    page.locator("#live").get_by_role("link", name="show").click()
    for text in ("First of two.", "Second of two."):
        expect(page.locator(".post.is-new").get_by_text(text)).to_be_visible()
    expect(page.locator(".post.is-new").first).to_be_focused()
    area = page.get_by_label("Text")
    expect(area).to_have_value(DRAFT)
    assert area.evaluate("area => area.selectionStart") == 2
    expect(page.locator("#live")).to_have_text(re.compile(r"^\s*show\s*$"))
    expect(page.locator("[data-live-show]")).to_be_hidden()

    reply(other_page, "And a third.")
    expect(page.locator("#live")).to_contain_text("1 new reply", timeout=SOON)
    page.keyboard.press("n")
    expect(page.locator(".post").get_by_text("And a third.")).to_be_visible()
    area.fill(f"{DRAFT} is whole now.")
    page.get_by_role("button", name="Reply", exact=True).click()
    expect(page.locator(".post").last).to_contain_text("is whole now.")


def test_what_is_written_before_the_stream_opens_is_not_missed(
    reviewer_page: Page, other_page: Page, thread: str
) -> None:
    """The page says which line of the log it was made at."""
    page = reviewer_page
    written = []

    def delay(route: Route) -> None:
        other_page.goto(thread)
        reply(other_page, "In between.")
        written.append(time.monotonic())
        route.continue_()

    page.route("**/events?*", delay, times=1)
    page.goto(thread)
    expect(page.locator("#live")).to_contain_text("1 new reply")
    assert written
    page.unroute_all()


def test_the_document_and_the_home_page_tell_of_a_new_thread(
    reviewer_page: Page, other_page: Page
) -> None:
    """Each shows it without being loaded anew."""
    page = reviewer_page
    home = page.context.new_page()
    open_live(page, "/document/processor-state-calls")
    open_live(home, "/")
    other_page.goto("/threads/new?section=processor-state-calls")
    other_page.get_by_label("Title").fill("A thread from elsewhere")
    other_page.get_by_label("Text").fill("It is about idling.")
    other_page.get_by_role("button", name="Open the thread").click()
    other_page.get_by_role("heading", name="A thread from").wait_for()
    for each in (page, home):
        line = each.locator("#live")
        expect(line).to_contain_text("1 new thread", timeout=SOON)
        each.locator("#live").get_by_role("link", name="show").click()
        expect(each.locator("[data-live-show]")).to_be_hidden()
    note = page.locator("main").get_by_text("A thread from elsewhere")
    expect(note.first).to_be_visible()
    expect(home.locator("main")).to_contain_text("thread opened")


def test_what_one_changes_on_the_page_is_no_news_there(
    reviewer_page: Page, other_page: Page, thread: str
) -> None:
    """The page shows it already; what comes from elsewhere is counted."""
    page = reviewer_page
    open_live(page, thread)
    open_live(other_page, thread)
    page.get_by_text("Take a stance").click()
    page.get_by_label("working:").check()
    page.get_by_label("Why").fill("It is slow.")
    page.get_by_label("Why").press("Control+Enter")
    said = page.locator(".said", has_text="It is slow.")
    said.get_by_role("link", name="Edit the post of").click()
    save = page.get_by_role("button", name="Save")
    # not the reply's, which is there before
    form = page.locator("form").filter(has=save)
    form.get_by_label("Text", exact=True).fill("It is slower.")
    save.click()
    expect(page.locator(".said", has_text="It is slower.")).to_be_visible()
    line = other_page.locator("#live")
    expect(line).to_contain_text("change", timeout=SOON)
    reply(other_page, "From elsewhere.")
    expect(page.locator("#live")).to_contain_text("1 new reply · show")
    expect(page.locator("#live")).not_to_contain_text("change")


def test_without_script_there_is_no_line(
    scriptless_page: Page, thread: str
) -> None:
    scriptless_page.goto(thread)
    expect(scriptless_page.locator("#live")).to_have_text("show")
    expect(scriptless_page.locator("[data-live-show]")).to_be_hidden()
