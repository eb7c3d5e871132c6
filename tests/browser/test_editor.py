"""The editor of a question: by keyboard alone, and accessible."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_accessibility import AXE, find_violations

pytestmark = pytest.mark.browser

LOOP = """\
question = "How far does it count?"
[code]
kernel = '''
again:  inc dword ptr [count]
        jmp again
'''
[data]
count = 0
[outcomes]
wraps = { is = "count == 0xffffffff" }
""" + "".join(
    f'[variants.v{number}]\nplatform = "native"\n' for number in range(14)
)


def open_editor(page: Page, query: str = "?starter=wake-up") -> Locator:
    """Return the text of an editor that has been checked once."""
    page.goto(f"/whatif/new{query}")
    expect(page.locator(".editor-status")).to_have_text(re.compile("wrong"))
    return page.get_by_label("Scenario (TOML)")


def put_caret(text: Locator, before: str) -> None:
    """Put the caret in front of some words."""
    text.evaluate(
        """(one, words) => {
            const place = one.value.indexOf(words);
            one.focus();
            one.setSelectionRange(place, place);
        }""",
        before,
    )


def test_what_is_wrong_is_told_beside_its_line(reader_page: Page) -> None:
    """At the height of the line, a moment after the last key; F8 goes on."""
    page = reader_page
    text = open_editor(page)
    expect(page.locator(".editor-status")).to_have_text(
        "Nothing is wrong with it."
    )
    expect(page.locator(".editor-lines")).to_contain_text("12")
    text.fill(text.input_value().replace("hlt", "htl").replace("jne", "jnee"))
    notes = page.locator(".editor-notes li")
    expect(notes).to_have_count(2)
    expect(notes.first).to_contain_text("jnee")
    expect(text).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".editor-lines b")).to_have_text(["10", "12"])
    line = page.locator(".editor-lines b").first.bounding_box()
    note, below = (each.bounding_box() for each in notes.all())
    assert line
    assert note
    assert below
    assert abs(line["y"] - note["y"]) < 12
    assert below["y"] >= note["y"] + note["height"]
    put_caret(text, "question")
    page.keyboard.press("F8")
    page.keyboard.type("!")
    assert "        !jnee" in text.input_value()
    page.evaluate(AXE)
    assert find_violations(page) == []


def test_words_are_completed_by_keyboard(reader_page: Page) -> None:
    """Nothing is taken unless it was chosen; Escape leaves all as it is."""
    page = reader_page
    text = open_editor(page)
    put_caret(text, "        hlt")
    page.keyboard.type("        call enab")
    words = page.get_by_role("listbox")
    option = page.get_by_role("option", name="VMI_EnableInterrupts")
    expect(option).to_be_visible()
    expect(option).to_have_attribute("aria-selected", "false")
    page.evaluate(AXE)
    assert find_violations(page) == []
    page.keyboard.press("ArrowDown")
    expect(option).to_have_attribute("aria-selected", "true")
    chosen = option.get_attribute("id")
    assert chosen
    expect(text).to_have_attribute("aria-activedescendant", chosen)
    page.keyboard.press("Enter")
    expect(words).to_be_hidden()
    assert "call VMI_EnableInterrupts        hlt" in text.input_value()
    page.keyboard.press("Enter")
    page.keyboard.type("xch")
    expect(words).to_be_visible()
    page.keyboard.press("Escape")
    expect(words).to_be_hidden()
    page.keyboard.press("Control+z")
    put_caret(text, "halted and")
    page.keyboard.press("Control+Space")
    expect(words).to_be_visible()
    expect(words.get_by_role("option").first).to_have_attribute(
        "aria-selected", "true"
    )


def test_the_address_keeps_what_was_typed(reader_page: Page) -> None:
    page = reader_page
    text = open_editor(page)
    put_caret(text, "question")
    page.keyboard.type("# mine\n")
    page.wait_for_url(re.compile(r"\?q=1"))
    page.get_by_label("Software hypervisor").check()
    page.wait_for_url(re.compile("on_software=yes"))
    typed = text.input_value()
    page.reload()
    expect(text).to_have_value(typed)
    expect(page.get_by_label("Software hypervisor")).to_be_checked()
    text.press("Control+Enter")
    page.wait_for_url(re.compile(r"/runs/\w+"))
    expect(page.locator(".verdict")).not_to_be_empty()
    page.get_by_role("link", name="Edit this question").click()
    expect(page.get_by_label("Scenario (TOML)")).to_have_value(typed)


def test_a_long_run_gives_way_to_its_result(reader_page: Page) -> None:
    """States are counted, and the page of the run takes the place."""
    page = reader_page
    text = open_editor(page)
    text.fill(LOOP)
    text.press("Control+Enter")
    page.wait_for_url(re.compile("/progress"))
    expect(page.get_by_role("status").first).to_be_attached()
    expect(page.locator("#progress")).to_contain_text("States found")
    page.evaluate(AXE)
    assert find_violations(page) == []
    page.wait_for_url(re.compile(r"/runs/[0-9a-f]{64}$"), timeout=60_000)
    expect(page.locator(".verdict")).not_to_be_empty()


def test_a_long_run_is_cancelled_by_a_key(reader_page: Page) -> None:
    page = reader_page
    text = open_editor(page)
    text.fill(LOOP + "# another\n")
    text.press("Control+Enter")
    page.wait_for_url(re.compile("/progress"))
    page.keyboard.press("c")
    expect(page.locator("#progress")).to_contain_text("was cancelled")
    page.keyboard.press("e")
    expect(page.get_by_label("Scenario (TOML)")).to_have_value(
        LOOP + "# another\n"
    )


def test_a_question_is_saved_without_script(scriptless_page: Page) -> None:
    """Platforms, address, run and list: all by a plain form."""
    page = scriptless_page
    page.goto("/whatif/new?starter=sleep")
    page.get_by_label("Native hardware").check()
    page.get_by_role("button", name="Make an address of it").click()
    expect(page).to_have_url(re.compile(r"\?q=1.*on_native=yes"))
    expect(page.get_by_label("Native hardware")).to_be_checked()
    page.get_by_text("Save it as a question of the list").click()
    page.get_by_label("Name").fill("without-script")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("/whatif/asked-without-script"))
    expect(page.locator(".verdict")).not_to_be_empty()
    page.goto("/whatif/")
    expect(page.locator("#matrix")).to_contain_text("asked by")
