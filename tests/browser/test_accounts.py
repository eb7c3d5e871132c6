"""Pages of accounts on a telephone: every act is within reach."""

import re

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.test_accessibility import (
    APPEARANCE,
    AXE,
    find_sideways,
    find_violations,
)

pytestmark = pytest.mark.browser

NARROW: ViewportSize = {"width": 400, "height": 800}
ACTS = {
    "/account/": r"Revoke the import of every night",
    "/accounts/invitations/": r"Revoke invitation \d+",
    "/accounts/members/": r"Remove administrator",
    "/accounts/audit": r"Narrow",
}
OPEN_ALL = 'document.querySelectorAll("details").forEach(d => d.open = true)'
FIND_EXCESS = """() => [...document.querySelectorAll(".scroll")]
    .filter(one => one.scrollWidth > one.clientWidth)
    .map(one => one.ariaLabel)"""


@pytest.fixture
def filled_page(reviewer_page: Page) -> Page:
    """Return a page after a token, an invitation and a member were made."""
    page = reviewer_page
    for path, label, text, button in (
        ("/account/", "it is for", "the import of every night", "the token"),
        ("/accounts/invitations/", "it is for", "who objected", "the link"),
        ("/accounts/members/", "an account", "administrator", "a member"),
    ):
        page.goto(path)
        page.evaluate(OPEN_ALL)
        page.get_by_label(label).fill(text)
        page.get_by_role("button", name=button).click()
        page.wait_for_load_state()
    return page


def test_what_is_done_to_a_row_is_on_the_screen(filled_page: Page) -> None:
    """Each row is named by its values, and nothing scrolls sideways."""
    page = filled_page
    page.set_viewport_size(NARROW)
    page.emulate_media(color_scheme="dark")
    for path, act in ACTS.items():
        page.goto(path)
        page.evaluate(AXE)
        assert find_violations(page, APPEARANCE) == []
        assert find_sideways(page) == 0
        assert page.evaluate(FIND_EXCESS) == []
        button = page.get_by_role("button", name=re.compile(act)).first
        button.scroll_into_view_if_needed()
        expect(button).to_be_in_viewport(ratio=1)
