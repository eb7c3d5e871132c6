"""What was said stands beside its passage, and leads to it and back."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

SELECT = """() => {
  const item = document.querySelector("[data-section=alarms] li:last-child");
  const range = document.createRange();
  range.selectNodeContents(item.querySelector("p") ?? item);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


def test_a_selection_becomes_a_suggestion_in_the_margin(
    reviewer_page: Page,
) -> None:
    """The form holds what was selected; the note marks it in the text."""
    page = reviewer_page
    page.goto("/document/alarms")
    page.evaluate(SELECT)
    offer = page.get_by_role("link", name="suggest an edit")
    expect(offer).to_have_attribute(
        "href", re.compile(r"^/document/suggestions/new\?section=alarms&start")
    )
    offer.click()
    old = page.get_by_label("Instead of")
    expect(old).to_have_value("A one-shot alarm disarms itself when it fires.")
    page.get_by_label("Write").fill("A one-shot alarm is gone once it fired.")
    page.get_by_role("button", name="Suggest it").click()

    expect(page).to_have_url(re.compile("/document/alarms$"))
    note = page.locator(".note", has_text="is gone once it fired")
    expect(note).to_contain_text("suggests an edit")
    note.get_by_role("link", name=re.compile("The passage of note")).click()
    passage = page.locator(".anchored:target")
    expect(passage).to_have_text(re.compile("^A one-shot alarm disarms"))
    expect(passage).to_be_in_viewport()
    passage.get_by_role("link", name=re.compile("Note")).click()
    expect(page.locator(".note:target")).to_contain_text("suggests an edit")
