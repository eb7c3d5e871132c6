"""The journey of a reviewer: read, run, step, attach, decide, export."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

QUESTION = re.compile("An interrupt is pending")
TITLE = "Delivery right after the call breaks the STI shadow"
REASON = "The call has no shadow, so **VMI_Halt** must be used."


def get_field(page: Page, name: str) -> str:
    """Return what the register sheet says of a field, without old values."""
    fields = page.locator(".registers > div")
    field = fields.filter(has=page.locator(f"dt:text-is('{name}')"))
    # the old value stands in a <del>, the word "changed" in a hidden <span>
    return str(
        field.locator("dd").evaluate(
            """cell => [...cell.childNodes]
                .filter(node => node.nodeType === Node.TEXT_NODE)
                .map(node => node.textContent.trim()).join("")"""
        )
    )


def expect_step(page: Page, number: int) -> None:
    """Expect the page to show this step of the execution."""
    expect(page.locator(".stepper .place")).to_contain_text(f"step {number} ")
    current = page.locator(".lanes tr[aria-current=step] th")
    expect(current).to_have_text(str(number))


def test_a_sign_in_link_is_good_once(
    reviewer_page: Page, server: Server
) -> None:
    """Who follows the link again is told why it does nothing."""
    reviewer_page.goto(server.link)
    expect(reviewer_page.locator("main")).to_contain_text("was used")


def test_a_witness_is_stepped_by_keys(reviewer_page: Page) -> None:
    """Each key moves as it says, and the sheet follows."""
    page = reviewer_page
    page.goto("/calls/VMI_EnableInterrupts")
    page.get_by_role("link", name=QUESTION).click()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page).to_have_url(re.compile(r"/runs/\w+"))
    expect(page.locator(".verdict")).to_contain_text("can happen")
    expect_step(page, 0)
    assert (get_field(page, "if"), get_field(page, "pending")) == ("1", "0")

    page.keyboard.press(".")
    expect_step(page, 1)
    expect(page.locator("#run-view")).to_contain_text("VMI_DisableInterrupts")
    assert get_field(page, "if") == "0"
    changed = page.locator(".registers .changed")
    expect(changed.filter(has_text="if").first).to_contain_text("changed")

    page.keyboard.press(".")
    page.keyboard.press(".")
    expect_step(page, 3)
    current = page.locator(".listing [aria-current=step]")
    expect(current).to_contain_text("jne")
    page.keyboard.press(".")
    expect_step(page, 4)
    assert get_field(page, "pending irq0") == "1"

    page.keyboard.press(",")
    expect_step(page, 3)
    assert get_field(page, "pending irq0") == "0"
    page.keyboard.press("]")
    expect_step(page, 5)
    expect(page.locator(".lanes tr[aria-current=step]")).to_contain_text(
        "VMI_EnableInterrupts"
    )
    page.keyboard.press("[")
    expect_step(page, 1)
    expect(page).to_have_url(re.compile(r"[?&]step=1(&|$)"))

    page.reload()
    expect_step(page, 1)


def test_a_step_has_a_lasting_address(reader_page: Page) -> None:
    """Anybody may follow a step's address, in the query or the fragment."""
    page = reader_page
    page.goto("/whatif/kleen-sti-shadow?step=4")
    expect_step(page, 4)
    page.get_by_role("link", name="permalink").click()
    expect(page).to_have_url(re.compile(r"/runs/\w+\?.*step=4"))
    expect_step(page, 4)
    path = re.sub(r"\?.*", "", page.url)
    page.goto(f"{path}#step=2")
    expect_step(page, 2)


def attach(page: Page, expected: str) -> None:
    """Attach the answer that is shown, with the answer expected."""
    page.get_by_label("The answer you expect").select_option(expected)
    page.get_by_role("button", name="Attach as evidence").click()


def decide(page: Page, disposition: str, reason: str) -> None:
    """Fill the form of the thread and record a decision."""
    page.locator("summary", has_text=re.compile("^Decide")).click()
    page.get_by_label(disposition, exact=True).check()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="Record the decision").click()


def test_a_run_becomes_evidence_and_a_decision(reviewer_page: Page) -> None:
    """What was run is attached, decided on, listed, exported, superseded."""
    page = reviewer_page
    page.goto("/whatif/kleen-sti-shadow")
    attach(page, "sometimes")
    expect(page).to_have_url(re.compile("/threads/kleen-sti-shadow"))
    row = page.locator("table.evidence tbody tr")
    expect(row).to_contain_text("holds")

    decide(page, "accepted", REASON)
    decision = page.locator("article.decision")
    expect(decision).to_contain_text("Resolved: accepted.")
    expect(decision.locator("strong")).to_have_text("VMI_Halt")

    page.get_by_role("link", name="Decisions", exact=True).click()
    minutes = page.locator(".minutes > li").filter(has_text=TITLE)
    expect(minutes).to_contain_text("Resolved: accepted.")
    exported = page.request.get("/decisions.md").text()
    assert TITLE in exported
    assert REASON in " ".join(exported.split())

    page.goto("/threads/kleen-sti-shadow")
    page.locator("summary", has_text=re.compile("^Decide")).click()
    page.get_by_label("this supersedes").check()
    page.get_by_label("accepted in part", exact=True).check()
    page.get_by_label("Reason").fill("Left open for explicit delivery.")
    page.get_by_label("kleen-sti-shadow on software").check()
    page.get_by_role("button", name="Record the decision").click()
    second = page.locator("article.decision:not(.superseded)")
    expect(second).to_contain_text("supersedes decision")
    expect(second).to_contain_text("kleen-sti-shadow")

    page.goto("/decisions/")
    superseded = page.locator(".minutes > li.superseded")
    expect(superseded.filter(has_text=TITLE)).to_have_count(1)
    exported = page.request.get("/decisions.md").text()
    assert "Left open for explicit delivery." in exported


def test_a_run_of_ones_own_text_becomes_evidence(reviewer_page: Page) -> None:
    """Written in the editor, run, put forward on a thread, read there."""
    page = reviewer_page
    page.goto("/whatif/new?starter=sleep")
    text = page.get_by_label("Scenario (TOML)")
    text.fill(f"# put forward\n{text.input_value()}")
    text.press("Control+Enter")
    page.wait_for_url(re.compile(r"/runs/[0-9a-f]{64}$"))
    run = page.url
    page.get_by_label("On the thread").select_option("kleen-watchdog-nmi")
    attach(page, "always")
    expect(page).to_have_url(re.compile("/threads/kleen-watchdog-nmi"))
    row = page.locator("table.evidence tbody tr").filter(
        has_text="sleep for good"
    )
    expect(row).to_contain_text("holds")
    row.get_by_role("link").first.click()
    assert page.url.startswith(run)
    page.locator("summary", has_text="as it was run").click()
    expect(page.locator("details[open] pre")).to_contain_text("put forward")
    page.goto("/")
    latest = page.get_by_role("listitem").filter(has_text="evidence attached")
    expect(latest.first).to_contain_text("kleen-watchdog-nmi")
