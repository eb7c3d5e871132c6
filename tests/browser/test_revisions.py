"""Making a text of the document in a browser, and reading what changed.

What is kept here is a reference, for other tests read the text under review.
"""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.browser.test_accessibility import (
    APPEARANCE,
    AXE,
    find_sideways,
    find_small_targets,
    find_violations,
)

pytestmark = pytest.mark.browser

LONG = "`a_name_that_is_longer_than_a_narrow_window_can_show_in_one_line`"


def check(page: Page) -> None:
    """Hold the page to be accessible, wide and narrow, light and dark."""
    page.evaluate(AXE)
    assert find_violations(page) == []
    assert find_small_targets(page) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 400, "height": 800})
    assert find_sideways(page) == 0
    assert find_violations(page, APPEARANCE) == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_text_is_kept_as_a_reference_and_compared(
    reviewer_page: Page, server: Server
) -> None:
    """From the form over the preview to the marks of what changed."""
    page = reviewer_page
    answer = page.request.get("/document/revisions/1/document.md")
    whole = answer.text()
    start = whole.index("**[note]** In the RFC patches")
    end = whole.index("\n\n", start)
    moved = whole[:start] + whole[end + 2 :] + f"\n{whole[start:end]}\n"
    text = moved.replace("are kept in", f"are **held**, {LONG}, in", 1)
    text = text.replace("### 1.1 Portability", "### 1.1 Portable guests")
    made = page.request.post(
        "/api/revisions",
        data={
            "text": text,
            "change": "For a test.",
            "dated_on": "2026-11-22",
            "is_reference": True,
        },
        headers={"Origin": server.url},
    )
    assert made.status == 201, made.text()
    number = made.json()["number"]
    page.goto(f"/document/revisions/{number}/changes")
    expect(page.locator("ins", has_text="held").first).to_be_visible()
    expect(page.get_by_text("was: 1.1 Portability")).to_be_visible()
    expect(page.get_by_text("moved here from")).to_be_visible()
    check(page)
    page.goto(f"/document/revisions/{number}/")
    expect(
        page.get_by_text("It is kept because mails quote it")
    ).to_be_visible()
    check(page)


def test_a_draft_is_previewed_without_leaving_the_page(
    reviewer_page: Page,
) -> None:
    """The preview comes below the form; nothing is saved."""
    page = reviewer_page
    page.goto("/document/time-interface")
    page.keyboard.press("e")
    text = page.get_by_label("Text", exact=True)
    text.fill(text.input_value() + "\nA paragraph more.\n")
    page.get_by_role("button", name="Preview").click()
    preview = page.locator("#preview")
    expect(
        preview.locator("ins", has_text="A paragraph more.")
    ).to_be_visible()
    assert page.url.endswith("/document/edit?section=time-interface")
    check(page)


def test_a_draft_is_previewed_without_script(scriptless_page: Page) -> None:
    """The same form, answered as a page, keeps what was typed."""
    page = scriptless_page
    page.goto("/document/edit?section=time-interface")
    text = page.get_by_label("Text", exact=True)
    text.fill(text.input_value() + "\nA paragraph more.\n")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview ins")).to_have_text("A paragraph more.")
    assert "A paragraph more." in text.input_value()
