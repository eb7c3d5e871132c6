"""The Hypothesis client itself, as npm has it, on our page with our API."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.conftest import Server, serve
from tests.conftest import SQLiteCopies

pytestmark = pytest.mark.browser

CLIENT = Path(__file__).parent / "hypothesis_client"
PACKAGE = CLIENT / "node_modules" / "hypothesis"
SETTING = "VMI_REVIEW_HYPOTHESIS_CLIENT"
QUOTE = "A one-shot alarm disarms itself when it fires."
GONE = (
    "Periodic expiries are E(i) = e0 + p * i for i = 0, 1, 2, ... After a "
    "firing the next expiry is the first E(i) above the present counter "
    "value. Missed periods are not made up."
)
ITEM = re.compile(
    r"^- Periodic expiries.*?(?=^- A one-shot)", re.MULTILINE | re.DOTALL
)

# the client offers its buttons when the pointer is let go
SELECT = """() => {
  const item = document.querySelector("[data-section=alarms] li:last-child");
  item.scrollIntoView({ block: "center" });
  getSelection().selectAllChildren(item.querySelector("p") ?? item);
  document.dispatchEvent(new MouseEvent("mouseup", { bubbles: true }));
}"""
POST_ANNOTATION = """async ([source, exact]) => {
  const answer = await fetch("/annotations/", {
    method: "POST",
    headers: { "Content-Type": "application/ld+json" },
    body: JSON.stringify({
      "@context": "http://www.w3.org/ns/anno.jsonld",
      type: "Annotation",
      motivation: "commenting",
      body: { type: "TextualBody", value: "Seen by **any** client." },
      target: { source, selector: { type: "TextQuoteSelector", exact } },
    }),
  });
  return answer.status;
}"""


@pytest.fixture(scope="module")
def review(
    tmp_path_factory: pytest.TempPathFactory, sqlite_copies: SQLiteCopies
) -> Iterator[Server]:
    """Return a server of its own that offers the client.

    It starts on a copy of the filled database, so that it need not load the
    corpus again.
    """
    if not PACKAGE.is_dir():
        pytest.skip(f"the client is not installed: npm ci --prefix {CLIENT}")
    folder = tmp_path_factory.mktemp("hypothesis")
    sqlite_copies.place("full", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTING, str(PACKAGE))
        with serve(folder) as server:
            yield server


@pytest.fixture(scope="module")
def reviewer(browser: Browser, review: Server) -> Iterator[Page]:
    """Return a page of the signed-in administrator."""
    context = browser.new_context(
        base_url=review.url, viewport={"width": 1400, "height": 900}
    )
    page = context.new_page()
    page.goto(review.link)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    yield page
    context.close()


@pytest.fixture
def complaints(reviewer: Page) -> Iterator[list[str]]:
    """Collect what the browser complains of, such as a refused script."""
    heard: list[str] = []
    reviewer.on("pageerror", lambda error: heard.append(str(error)))
    reviewer.on(
        "console",
        lambda message: (
            heard.append(message.text) if message.type == "error" else None
        ),
    )
    yield heard
    assert heard == []


def open_sidebar(page: Page, path: str) -> FrameLocator:
    """Return the sidebar of a page, opened, with its annotations there."""
    with page.expect_response(re.compile("/h/api/search")):
        page.goto(path)
    page.get_by_role("button", name="Annotation sidebar").click()
    return page.frame_locator("iframe[title='Hypothesis annotation viewer']")


def post(page: Page, sidebar: FrameLocator, text: str) -> None:
    """Write into the open editor, send it and wait until it is stored."""
    editor = sidebar.locator("textarea")
    editor.fill(text)
    with page.expect_response(re.compile("/h/api/annotations")) as answer:
        sidebar.get_by_role("button", name="Post to The review").click()
    assert answer.value.ok
    expect(editor).to_have_count(0)


@pytest.mark.usefixtures("complaints")
def test_a_reviewer_annotates_with_the_hypothesis_client(
    reviewer: Page,
) -> None:
    """See, create, reply, edit, delete: each by the client's own buttons."""
    page = reviewer
    page.goto("/document/alarms")
    assert page.evaluate(POST_ANNOTATION, ["/document/", QUOTE]) == 201
    sidebar = open_sidebar(page, "/document/alarms")
    seen = sidebar.get_by_role("article").filter(
        has_text="Seen by any client."
    )
    expect(seen).to_contain_text(QUOTE)
    expect(page.locator("hypothesis-highlight").first).to_have_text(QUOTE)

    page.evaluate(SELECT)
    adder = page.locator("hypothesis-adder")
    adder.get_by_role("button", name="Annotate").click()
    post(page, sidebar, "Who arms it again?")
    card = sidebar.get_by_role("article").filter(has_text="Who arms it again?")
    expect(card).to_contain_text(QUOTE)

    card.get_by_role("button", name="Reply").click()
    post(page, sidebar, "The guest does.")
    card.get_by_role("button", name="Edit").first.click()
    post(page, sidebar, "Who arms it again, then?")

    # at another address of the same text, among what was said in 2006; in
    # our margin, too
    sidebar = open_sidebar(page, "/document/")
    old = sidebar.get_by_role("article").filter(has_text="Chris Wright")
    expect(old.first).to_contain_text("Mar 13, 2006")
    sidebar.get_by_role("tab", name=re.compile("^Annotations")).click()
    note = page.locator(".note").filter(has_text="Who arms it again, then?")
    expect(note).to_be_visible()
    card = sidebar.get_by_role("article").filter(
        has_text="Who arms it again, then?"
    )
    card.get_by_role("button", name="Show replies").click()
    answer = sidebar.get_by_role("article").filter(has_text="The guest does.")
    expect(answer.last).to_be_visible()

    card.get_by_role("button", name="Delete").first.click()
    with page.expect_response(re.compile("/h/api/annotations")):
        sidebar.get_by_role("button", name="Delete", exact=True).last.click()
    expect(card).to_have_count(0)
    page.goto("/document/alarms")
    expect(note).to_have_count(0)


@pytest.mark.usefixtures("complaints")
def test_an_annotation_without_its_words_is_shown_as_an_orphan(
    reviewer: Page,
) -> None:
    """The text changes under it: the client lists it apart."""
    page = reviewer
    page.goto("/document/alarms")
    assert page.evaluate(POST_ANNOTATION, ["/document/", GONE]) == 201
    page.goto("/document/edit?section=alarms")
    text = page.get_by_label("Text")
    text.fill(ITEM.sub("", text.input_value()))
    page.get_by_label("What changed").fill("Periods are left open.")
    page.get_by_role("button", name="Save as revision 2").click()
    page.wait_for_url(re.compile("/document/(?!edit)"))

    sidebar = open_sidebar(page, "/document/")
    # our margin quotes the words that are gone; the client must not find them
    expect(page.locator(".old-words").first).to_contain_text("Missed periods")
    sidebar.get_by_role("tab", name=re.compile("^Unanchored")).click()
    card = sidebar.get_by_role("article").filter(
        has_text="Seen by any client."
    )
    expect(card).to_contain_text("Missed periods are not made up.")
