"""Reading a run in a browser: keys, folding, the drawing, costs."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import (
    AXE,
    find_sideways,
    find_violations,
)

pytestmark = pytest.mark.browser

RUN = (
    "/whatif/kleen-sti-shadow"
    "?platform=software&outcome=sleeps-with-work&way=witness"
)


def test_keys_step_jump_and_go_to_the_parting(reader_page: Page) -> None:
    page = reader_page
    page.goto(RUN)
    place = page.locator(".stepper .place")
    page.keyboard.press(".")
    expect(place).to_have_text("step 1 of 8")
    page.keyboard.press("]")
    expect(place).to_have_text("step 5 of 8")
    page.keyboard.press(",")
    expect(place).to_have_text("step 4 of 8")
    page.keyboard.press("[")
    expect(place).to_have_text("step 1 of 8")
    page.keyboard.press("p")
    expect(place).to_have_text("step 5 of 8")
    expect(page.locator("tr[aria-current=step] .parts")).to_be_visible()
    assert "step=5" in page.url


def test_a_step_of_the_drawing_leads_to_it(reader_page: Page) -> None:
    page = reader_page
    page.goto(RUN)
    page.locator(".score-step").nth(2).click(force=True)
    expect(page.locator(".stepper .place")).to_have_text("step 3 of 8")
    assert "step=3" in page.url


def test_the_drawing_takes_the_width_there_is(reader_page: Page) -> None:
    page = reader_page
    page.goto(f"{RUN}&step=5")
    for width in (1280, 400, 320):
        page.set_viewport_size({"width": width, "height": 800})
        box = page.locator(".score").bounding_box()
        assert box is not None
        assert box["width"] <= width
        assert find_sideways(page) == 0


def test_figures_typed_change_the_sum_and_stay(reader_page: Page) -> None:
    page = reader_page
    page.goto(f"{RUN}&step=8")
    head = page.locator("#costs-head")
    expect(head).to_have_text(re.compile("3,829 cycles"))
    page.get_by_label("Trap to the hypervisor").fill("3000")
    page.keyboard.press("Enter")
    expect(head).to_have_text(re.compile("5,940 cycles"))
    expect(page.locator(".stepper .place")).to_have_text("step 8 of 8")
    page.keyboard.press(",")
    expect(page.locator(".stepper .place")).to_have_text("step 7 of 8")
    expect(head).to_have_text(re.compile("5,940 cycles"))
    page.get_by_role("link", name="with the table's figures").click()
    expect(head).to_have_text(re.compile("3,829 cycles"))


@pytest.mark.parametrize(
    "path", ["/costs/", "/costs/?costs=trap.software:3000", f"{RUN}&fold=1"]
)
def test_pages_of_costs_are_accessible(reader_page: Page, path: str) -> None:
    page = reader_page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(path)
        page.evaluate(AXE)
        assert find_violations(page) == []
    for width in (400, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert find_sideways(page) == 0
