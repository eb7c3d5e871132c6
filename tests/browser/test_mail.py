"""Reading mail in a browser: keys, folding, and with script switched off."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

QUOTE = "\n".join(f"> line {n}" for n in range(9))


@pytest.fixture(scope="module", autouse=True)
def _mails(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("talk")
    for number, parent in enumerate((None, 0, 1, 0)):
        above = "" if parent is None else f"In-Reply-To: <talk{parent}@b.c>\n"
        (folder / f"{number}.eml").write_text(
            f"From: P{number} <p{number}@b.c>\nSubject: Re: talk\n"
            f"Date: Wed, 22 Mar 2006 2{number}:00:00 +0000\n"
            f"Message-ID: <talk{number}@b.c>\n{above}\n"
            f"Hello\n{QUOTE}\nand so on\n"
        )
    server.run("import", str(folder))


def test_keys_lead_through_a_conversation(reader_page: Page) -> None:
    page = reader_page
    page.goto("/m/talk0@b.c/")
    for name in ("talk1", "talk2", "talk3"):
        page.keyboard.press("n")
        expect(page).to_have_url(re.compile(f"/m/{name}@b.c/$"))
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile("/m/talk2@b.c/$"))
    here = page.locator(".mail-tree [aria-current]")
    expect(here).to_have_count(1)
    expect(here).to_contain_text("P2")
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/m/talk1@b.c/$"))
    page.keyboard.press("u")
    page.wait_for_url("**/m/talk0@b.c/")
    page.keyboard.press("u")
    expect(page).to_have_url(re.compile("/m/$"))


@pytest.mark.parametrize("way", ["t", "T"])
def test_keys_lead_from_mail_to_mail_on_one_page(
    reader_page: Page, way: str
) -> None:
    page = reader_page
    page.goto(f"/m/talk0@b.c/{way}/")
    mails = page.locator("[data-mail]")
    expect(mails).to_have_count(4)
    page.keyboard.press("n")
    expect(mails.nth(0)).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.press("n")
    expect(mails.nth(2)).to_be_focused()
    page.keyboard.press("p")
    expect(mails.nth(1)).to_be_focused()
    expect(mails.nth(1)).to_be_in_viewport()


def test_one_key_folds_all_quotations_and_is_remembered(
    reader_page: Page,
) -> None:
    page = reader_page
    page.goto("/m/talk0@b.c/t/")
    line = page.get_by_text("line 4")
    expect(line.first).to_be_visible()
    page.keyboard.press("e")
    expect(line.first).to_be_hidden()
    button = page.get_by_role("button", name="fold quotations")
    expect(button).to_have_attribute("aria-pressed", "true")
    page.goto("/m/talk1@b.c/")
    expect(line).to_be_hidden()
    page.get_by_text("9 quoted lines").click()
    expect(line).to_be_visible()
    page.keyboard.press("e")
    page.keyboard.press("e")
    expect(line).to_be_hidden()


def test_a_quotation_folds_by_keyboard(reader_page: Page) -> None:
    page = reader_page
    page.goto("/m/talk1@b.c/")
    summary = page.locator(".mail summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("line 4")).to_be_hidden()
    expect(summary).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("line 4")).to_be_visible()


def test_quotations_fold_without_script(scriptless_page: Page) -> None:
    page = scriptless_page
    page.goto("/m/talk1@b.c/")
    expect(page.get_by_text("line 4")).to_be_visible()
    page.locator(".mail summary").click()
    expect(page.get_by_text("line 4")).to_be_hidden()
    expect(page.get_by_role("button", name="fold")).to_have_count(0)
    page.get_by_role("link", name="nested").click()
    expect(page.locator(".mail-item")).to_have_count(4)


def test_a_long_mail_does_not_widen_a_narrow_page(reader_page: Page) -> None:
    page = reader_page
    page.set_viewport_size({"width": 320, "height": 700})
    for address in ("/m/talk1@b.c/", "/m/talk1@b.c/t/", "/m/"):
        page.goto(address)
        assert page.evaluate("document.body.scrollWidth <= innerWidth")
