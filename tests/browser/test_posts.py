"""One's own posts and stances: by keyboard, with script and without."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import (
    APPEARANCE,
    AXE,
    find_sideways,
    find_small_targets,
    find_violations,
)

pytestmark = pytest.mark.browser

THREAD = "/threads/kleen-segment-cost"
DRAFT = "a draft that must stay"


def _reply(page: Page, text: str) -> None:
    page.goto(THREAD)
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Reply", exact=True).click()


def _check(page: Page) -> None:
    """Expect that the page is as accessible as any."""
    page.evaluate(AXE)
    assert find_violations(page) == []
    page.set_viewport_size({"width": 400, "height": 800})
    page.emulate_media(color_scheme="dark")
    assert find_sideways(page) == 0
    assert find_small_targets(page) == []
    assert find_violations(page, APPEARANCE) == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 720})


def test_a_post_is_edited_in_its_place(reviewer_page: Page) -> None:
    """The form stands where the post did, and no other draft is lost."""
    page = reviewer_page
    _reply(page, "Written in hast.")
    said = page.locator(".said", has_text="Written in hast.")
    page.get_by_label("Text").fill(DRAFT)
    said.get_by_role("link", name="Edit the post of").press("Enter")
    form = page.locator(".said textarea")
    expect(form).to_be_focused()
    _check(page)
    form.fill("Written in **haste**.")
    form.press("Control+Enter")
    said = page.locator(".said", has_text="Written in haste.")
    expect(said).to_be_focused()
    expect(said).to_contain_text("edited")
    expect(page.get_by_label("Text")).to_have_value(DRAFT)
    said.get_by_role("link", name="Edit the post of").press("Enter")
    page.get_by_role("link", name="Leave it as it is").press("Enter")
    expect(said).to_be_focused()
    said.get_by_role("link", name="Edit the post of").press("Enter")
    page.get_by_text("Delete it").press("Enter")
    page.get_by_role("button", name="Delete").press("Enter")
    expect(page.locator(".said:focus")).to_contain_text("deleted")
    page.reload()
    expect(page.get_by_text("Written in haste.")).to_have_count(0)


def test_who_loses_a_race_sees_both_texts(scriptless_page: Page) -> None:
    """What was typed in the slower window stays, beside what was saved."""
    page = scriptless_page
    _reply(page, "What both saw.")
    said = page.locator(".said", has_text="What both saw.")
    said.get_by_role("link", name="Edit the post of").click()
    expect(page).to_have_url(re.compile("/edit$"))
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_label("Text").fill("What the faster one saved.")
    other.get_by_role("button", name="Save").click()
    page.get_by_label("Text").fill("What the slower one typed.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("changed while")
    expect(page.get_by_text("What the faster one saved.")).to_be_visible()
    words = page.get_by_label("Your words")
    expect(words).to_have_value("What the slower one typed.")
    page.get_by_role("button", name="Save my words").click()
    expect(page).to_have_url(re.compile("#post-"))
    expect(page.get_by_text("What the slower one typed.")).to_be_visible()


def test_a_stance_is_taken_without_leaving_the_page(
    reviewer_page: Page,
) -> None:
    """The list, and the post that says so, come; the draft stays."""
    page = reviewer_page
    page.goto(THREAD)
    page.get_by_label("Text").fill(DRAFT)
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("s")
    page.get_by_label("blocking:").check()
    page.get_by_label("Why").fill("The factor is **lost**.")
    _check(page)
    page.get_by_label("Why").press("Control+Enter")
    head = page.get_by_role("heading", name="Where people stand")
    expect(head).to_be_focused()
    expect(page.locator(".stances")).to_contain_text("blocking")
    post = page.locator(".said", has_text="The factor is lost.")
    expect(post).to_contain_text("blocking")
    expect(page.get_by_label("Text")).to_have_value(DRAFT)
    page.get_by_text("Change your stance").click()
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.locator("#stances")).to_contain_text("Nobody has taken")
    expect(post).to_have_count(0)
    expect(page.get_by_label("Text")).to_have_value(DRAFT)
