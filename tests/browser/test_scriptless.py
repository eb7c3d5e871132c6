"""The reviewer's journey with script switched off: links and forms alone."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_lists_are_narrowed_by_forms(scriptless_page: Page) -> None:
    """A filter is a form with an address of its own."""
    page = scriptless_page
    page.goto("/threads/")
    page.get_by_label("State").select_option("disputed")
    page.get_by_role("button", name="Narrow").click()
    expect(page).to_have_url(re.compile("state=disputed"))
    expect(page.locator("#threads .row")).to_have_count(13)
    page.goto("/calls/")
    page.get_by_label("Group").select_option("timer")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=2)).to_have_count(1)


def test_a_witness_is_stepped_by_links(scriptless_page: Page) -> None:
    """The switches and each step are addresses."""
    page = scriptless_page
    page.goto("/whatif/kleen-sti-shadow")
    page.get_by_label("Platform", exact=True).select_option("software")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("platform=software"))
    page.get_by_role("link", name="one step forward").click()
    page.get_by_role("link", name="next delivery or call").click()
    expect(page).to_have_url(re.compile("step=5"))
    expect(page.locator(".place")).to_contain_text("step 5 ")
    expect(page.locator(".registers .changed").first).to_be_visible()
    page.get_by_role("link", name="one step back").click()
    expect(page.locator(".place")).to_contain_text("step 4 ")


def test_a_policy_that_nobody_ran_can_be_run(scriptless_page: Page) -> None:
    page = scriptless_page
    page.goto("/whatif/kleen-watchdog-nmi")
    policy = page.locator(".filter select:not(#platform)").first
    policy.select_option(index=1)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs/\w+"))
    expect(page.locator(".verdict")).not_to_be_empty()


def test_a_question_of_ones_own_is_refused_with_its_place(
    scriptless_page: Page,
) -> None:
    """The line and column are told, and what was typed is still there."""
    page = scriptless_page
    page.goto("/whatif/kleen-sti-shadow")
    page.get_by_role("link", name="Edit this question").click()
    field = page.get_by_label("Scenario (TOML)")
    text = field.input_value()
    field.fill(text.replace("hlt", "hltt", 1))
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".field-error")).to_contain_text(
        re.compile(r"line \d+, column \d+")
    )
    expect(field).to_have_value(re.compile("hltt"))
    field.fill(text.replace("budget = 1", "budget = 2", 1))
    page.get_by_role("button", name="Run").click()
    expect(page).to_have_url(re.compile(r"/runs/\w+"))


def test_a_reviewer_speaks_attaches_and_decides(scriptless_page: Page) -> None:
    """All that a reviewer writes goes through plain forms."""
    page = scriptless_page
    page.goto("/threads/new?call=VMI_Pause")
    page.get_by_label("Title").fill("Pausing without script")
    page.get_by_label("nit", exact=True).check()
    page.get_by_role("textbox", name="Text").fill("First *look* at it.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview em")).to_have_text("look")
    page.get_by_role("button", name="Open the thread").click()
    expect(page).to_have_url(re.compile(r"/threads/[\w-]*pausing"))
    address = page.url

    page.get_by_role("textbox", name="Text").fill("A reply.")
    page.get_by_role("button", name="Reply", exact=True).click()
    expect(page.locator("ol.posts")).to_contain_text("A reply.")

    page.goto("/whatif/kleen-sti-shadow?platform=native")
    page.get_by_label("On the thread").select_option("Pausing without script")
    page.get_by_label("The answer you expect").select_option("always")
    page.get_by_role("button", name="Attach as evidence").click()
    expect(page).to_have_url(f"{address}#evidence-head")
    expect(page.locator("table.evidence tbody tr")).to_have_count(1)

    page.locator("summary", has_text="Decide").click()
    page.get_by_label("out of scope", exact=True).check()
    page.get_by_label("Reason").fill("Not a matter of script.")
    page.get_by_role("button", name="Record the decision").click()
    expect(page.locator("article.decision")).to_contain_text("out of scope")
    page.get_by_role("link", name="Decisions", exact=True).click()
    expect(page.locator(".minutes")).to_contain_text("Pausing without script")
    exported = page.request.get("/decisions.md").text()
    assert "Not a matter of script." in exported


def test_nothing_is_offered_that_needs_script(reader_page: Page) -> None:
    """What only script can do is shown by script."""
    page = reader_page
    page.goto("/")
    expect(page.get_by_role("button", name="Keys")).to_be_visible()
    html = page.request.get("/").text()
    for name in ("data-keys-show", "data-theme-switch"):
        assert re.search(rf"<button[^>]* {name} [^>]*hidden", html)
