"""Everything by keyboard; and what htmx changes leaves the reader in place."""

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

THREAD = "/threads/kleen-sti-shadow"


def get_focused(page: Page) -> str:
    """Return the text of the element that has the focus."""
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def is_focus_seen(page: Page) -> bool:
    """Tell whether the focused element has an outline within the window."""
    return bool(
        page.evaluate(
            """() => {
                const one = document.activeElement;
                const {top, bottom} = one.getBoundingClientRect();
                const {outlineStyle} = getComputedStyle(one);
                return one !== document.body && outlineStyle !== "none"
                    && top < innerHeight && bottom > 0;
            }"""
        )
    )


def test_the_first_stop_skips_to_the_text(reader_page: Page) -> None:
    page = reader_page
    page.goto("/threads/")
    page.keyboard.press("Tab")
    assert get_focused(page) == "Skip to the text"
    assert is_focus_seen(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    within = "document.activeElement.closest('main') !== null"
    assert page.evaluate(within)


def test_every_stop_of_a_page_is_seen(reader_page: Page) -> None:
    """Tab leads through the question's page, and the focus shows."""
    page = reader_page
    page.goto("/whatif/kleen-sti-shadow?step=4")
    for _ in range(40):
        page.keyboard.press("Tab")
        assert is_focus_seen(page), page.evaluate(
            "document.activeElement.outerHTML"
        )


def test_a_page_lists_its_keys(reader_page: Page) -> None:
    """`?` shows the keys of this page, Escape gives the focus back."""
    page = reader_page
    page.goto("/whatif/kleen-sti-shadow")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys of this page")
    expect(keys).to_be_visible()
    for label in ("one step forward", "home", "edit this question"):
        expect(keys.get_by_text(label, exact=True)).to_be_visible()
    expect(keys.get_by_text("narrow to a call")).to_have_count(0)
    page.keyboard.press(".")
    expect(page.locator(".place")).to_contain_text("step 0")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press(".")
    expect(page.locator(".place")).to_contain_text("step 1")


def test_rows_are_walked_by_j_and_k_and_opened_by_o(
    reader_page: Page,
) -> None:
    page = reader_page
    page.goto("/threads/")
    rows = page.locator("[data-row]")
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(rows.nth(1)).to_be_focused()
    assert is_focus_seen(page)
    title = get_focused(page)
    page.keyboard.press("o")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/threads/$"))


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("h", "/"),
        ("s", "/document/"),
        ("c", "/calls/"),
        ("o", "/threads/"),
        ("w", "/whatif/"),
        ("d", "/decisions/"),
    ],
)
def test_g_and_a_letter_go_to_a_page(
    reader_page: Page, base_url: str, key: str, path: str
) -> None:
    reader_page.goto("/sign-in/none")
    reader_page.keyboard.press("g")
    reader_page.keyboard.press(key)
    expect(reader_page).to_have_url(base_url + path)


def test_single_keys_can_be_switched_off(reader_page: Page) -> None:
    """The switch is remembered; Ctrl+Enter and the buttons go on working."""
    page = reader_page
    page.goto("/threads/")
    page.keyboard.press("?")
    page.get_by_label("single keys are on").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("single keys are on").check()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("[data-row]").first).to_be_focused()


def test_a_filter_changes_list_and_address(reader_page: Page) -> None:
    """`/` goes to the field; the back button brings the whole list again."""
    page = reader_page
    page.goto("/threads/")
    rows = page.locator("#threads .row")
    expect(rows).to_have_count(88)
    page.keyboard.press("/")
    expect(page.get_by_label("Call")).to_be_focused()
    page.keyboard.type("VMI_Halt")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"[?&]call=VMI_Halt"))
    expect(rows.first).to_contain_text("VMI_Halt")
    few = rows.count()
    assert 0 < few < 88
    expect(page.get_by_label("Call")).to_be_focused()
    page.reload()
    expect(rows).to_have_count(few)
    expect(page.get_by_label("Call")).to_have_value("VMI_Halt")
    page.go_back()
    expect(rows).to_have_count(88)


def test_a_choice_submits_its_form(reader_page: Page) -> None:
    page = reader_page
    page.goto("/calls/")
    page.get_by_label("Group").focus()
    page.get_by_label("Group").select_option("timer")
    expect(page).to_have_url(re.compile("group=timer"))
    expect(page.get_by_role("heading", level=2)).to_have_count(1)
    expect(page.get_by_label("Group")).to_be_focused()
    page.goto("/whatif/")
    rows = page.locator("#matrix [data-row]")
    everything = rows.count()
    page.get_by_label("About the call").select_option("VMI_Halt")
    expect(page).to_have_url(re.compile("call=VMI_Halt"))
    expect(rows).not_to_have_count(everything)
    about = page.locator("#matrix .matrix-question", has_text="VMI_Halt")
    assert 0 < rows.count() == about.count() < everything
    page.get_by_label("About the call").select_option("")
    expect(rows).to_have_count(everything)


def test_the_focus_stays_on_the_button_that_steps(reader_page: Page) -> None:
    """Enter steps again and again, also at the end of the execution."""
    page = reader_page
    page.goto("/whatif/kleen-sti-shadow")
    place = page.locator(".place")
    forward = page.get_by_label("one step forward")
    forward.focus()
    page.keyboard.press("Enter")
    expect(place).to_contain_text("step 1 ")
    expect(forward).to_be_focused()
    last = re.search(r"of (\d+)", place.inner_text())
    assert last
    for number in range(2, int(last[1]) + 1):
        page.keyboard.press("Enter")
        expect(place).to_contain_text(f"step {number} ")
    expect(forward).to_be_focused()
    assert is_focus_seen(page)


def test_quick_keys_are_all_obeyed(reader_page: Page) -> None:
    """Keys pressed while a step is fetched are made up for."""
    page = reader_page
    page.goto("/whatif/kleen-sti-shadow")
    # before htmx has seen the links a key loads the whole page
    page.locator(".stepper a[data-htmx-powered]").first.wait_for()
    for key in "....,.":
        page.keyboard.press(key)
    expect(page.locator(".place")).to_contain_text("step 4 ")


def test_a_refused_thread_keeps_what_was_typed(reviewer_page: Page) -> None:
    page = reviewer_page
    page.goto("/threads/new?call=VMI_Halt")
    page.get_by_label("Title").fill("Halting")
    page.get_by_label("question", exact=True).check()
    page.get_by_label("Calls").fill("VMI_Halt, VMI_Hold")
    page.get_by_label("Text", exact=True).fill("Long *thought* about.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview em")).to_have_text("thought")
    page.get_by_label("Text", exact=True).press("Control+Enter")
    expect(page.locator(".field-error")).to_contain_text("VMI_Hold")
    expect(page.get_by_label("Calls")).to_have_attribute(
        "aria-invalid", "true"
    )
    expect(page.get_by_label("Title")).to_have_value("Halting")
    expect(page.get_by_label("question", exact=True)).to_be_checked()
    expect(page.get_by_label("Text", exact=True)).to_have_value(
        "Long *thought* about."
    )


def test_a_reply_is_sent_by_keyboard(reviewer_page: Page) -> None:
    page = reviewer_page
    page.goto(THREAD)
    page.get_by_label("Text", exact=True).fill("Seen with `STI; NOP`.")
    page.get_by_label("Text", exact=True).press("Control+Enter")
    post = page.locator(".post", has_text="Seen with").last
    expect(post.locator("code", has_text="STI")).to_be_visible()


def test_a_selected_passage_is_objected_to(reviewer_page: Page) -> None:
    """The form opens with the passage and its section."""
    page = reviewer_page
    page.goto("/document/processor-state-calls")
    quote = page.evaluate(
        """() => {
            const area = document.querySelector("[data-section]");
            const walker = document.createTreeWalker(area, 4);
            while (walker.nextNode().data.trim().length < 30);
            const node = walker.currentNode;
            getSelection().setBaseAndExtent(node, 0, node, 20);
            return getSelection().toString();
        }"""
    )
    page.get_by_role("link", name="object", exact=True).click()
    expect(page.get_by_label("Passage")).to_have_value(quote)
    expect(page.get_by_label("objection", exact=True)).to_be_checked()
    expect(page.get_by_label("Section", exact=True)).to_have_value(
        "processor-state-calls"
    )


def test_a_paragraph_is_commented_on_by_keyboard(reviewer_page: Page) -> None:
    """The mark beside a paragraph is a stop of its own."""
    page = reviewer_page
    page.goto("/document/processor-state-calls")
    page.locator(".pilcrow").first.focus()
    assert is_focus_seen(page)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Passage")).not_to_have_value("")


def test_a_search_needs_no_mouse(reader_page: Page) -> None:
    """`/` goes to the box; `j` and `k` walk what is found, `o` opens it."""
    page = reader_page
    page.goto("/decisions/")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.goto("/search?q=VMI_SetCR3&order=best")
    rows = page.locator("#found [data-row]")
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(rows.nth(0)).to_be_focused()
    assert is_focus_seen(page)
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile("/calls/VMI_SetCR3$"))
