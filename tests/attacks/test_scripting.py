"""Script in every field: stored or reflected, none of it runs in Chromium.

Chromium reports what the content policy holds back, so a page that says
nothing holds no script: what is told of here was escaped or cleaned, and not
stopped in the last moment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Dialog, Page

from app.config import Settings
from app.main import create_app
from app.models import Role
from tests.attacks.conftest import UNLIMITED, Target
from tests.attacks.payloads import ALL, MARK, SHORT
from tests.conftest import SQLiteCopies
from tests.live_server import serve_app

pytestmark = pytest.mark.browser

THREAD = "kleen-sti-shadow"
LINE = 200
QUERIES = (
    *("/search?q={}", "/search?q=s:{}&order={}", "/threads/?state={}"),
    *("/sign-in?next={}", "/threads/new?section={}&quote={}", "/calls/{}"),
    *("/whatif/new?q={}", "/document/{}", "/m/{}/", "/nowhere/{}"),
    *("/document/suggestions/new?section=1&quote={}", "/runs/{}"),
    *("/invitations/{}", "/oidc/callback?error={}&state={}", "/docs?x={}"),
)
FOUND = """() => [...document.querySelectorAll("*")].flatMap(one =>
    [...one.attributes].filter(each => /^on|^hx-on|^style$|^srcdoc$/
        .test(each.name)
        || /^\\s*(javascript|vbscript|data):/i.test(each.value)
            && /^(href|src|action|formaction|data|content)$/.test(each.name)
    ).map(each => one.outerHTML.slice(0, 200)))"""


@dataclass
class Watched:
    """A page, and what ran or was held back on it."""

    page: Page
    base: str
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("dialog", self.note_dialog)
        self.page.on("pageerror", lambda e: self.ran.append(str(e)))
        self.page.on("console", self.note_console)
        self.page.on("request", self.note_request)

    def note_dialog(self, dialog: Dialog) -> None:
        """Note a dialog, and let the page go on."""
        self.ran.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def note_console(self, message: Any) -> None:
        """Note what the content policy held back."""
        if "Content Security Policy" in message.text:
            self.ran.append(message.text)

    def note_request(self, request: Any) -> None:
        """Note a request to another host."""
        if not request.url.startswith(self.base):
            self.ran.append(f"asked for {request.url}")

    def visit(self, path: str) -> list[str]:
        """Open a page and move over it; return what ran."""
        self.ran.clear()
        self.page.goto(self.base + path, wait_until="load")
        self.page.keyboard.press("Tab")
        return [*self.ran, *self.page.evaluate(FOUND)]


@pytest.fixture(scope="module")
def live(
    sqlite_copies: SQLiteCopies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Target]]:
    """Return the address of a site, and the site."""
    url = sqlite_copies.make("full")
    settings = Settings(
        database_url=url,
        data_dir=tmp_path_factory.mktemp("scripting"),
        allowed_hosts="testserver",
        **UNLIMITED,
    )
    app = create_app(settings)
    with serve_app(app) as address:
        # no second lifespan: the server has begun the first
        target = Target(app, TestClient(app))
        target.add("ada", Role.administrator)
        yield address, target
    sqlite_copies.drop(url)


@pytest.fixture(scope="module")
def watched(browser: Browser, live: tuple[str, Target]) -> Iterator[Watched]:
    """Return a signed-in page that is watched."""
    address, target = live
    name, _, value = target.cookies["ada"]["Cookie"].partition("=")
    context = browser.new_context()
    context.add_cookies([{"name": name, "value": value, "url": address}])
    yield Watched(context.new_page(), address)
    context.close()


def store_threads(target: Target) -> list[str]:
    """Store each line in a title, and all in the text; return pages."""
    pages = []
    for number, line in enumerate(SHORT):
        answer = target.send(
            "ada",
            "POST",
            "/api/threads",
            json={
                "title": line[:LINE],
                "kind": "question",
                "severity": "concern",
                "text": ALL if number == 0 else line,
                "calls": ["VMI_Halt"],
            },
        )
        assert answer.status_code == 201, answer.text
        pages.append(f"/threads/{answer.json()['slug']}")
    return [pages[0], pages[1], "/threads/", "/", "/search?q=alert"]


def store_on_thread(target: Target) -> list[str]:
    """Store texts beside a thread; return the pages that show them."""
    base = f"/api/threads/{THREAD}"
    for method, path, body in (
        ("POST", f"{base}/comments", {"text": ALL}),
        ("PUT", f"{base}/stances/ada", {"stance": "blocking", "text": ALL}),
        (
            "POST",
            "/api/decisions",
            {
                "thread": THREAD,
                "disposition": "rejected",
                "reason": ALL,
                "dissent": ALL,
            },
        ),
    ):
        answer = target.send("ada", method, path, json=body)
        assert answer.status_code < 300, (path, answer.text)
    return [
        f"/threads/{THREAD}",
        f"/threads/{THREAD}/reply-by-mail",
        f"/threads/{THREAD}/stance",
        "/decisions/",
        "/decisions/1",
    ]


def store_annotations(target: Target) -> list[str]:
    """Store annotations of both interfaces; return what shows them."""
    documents: list[dict[str, Any]] = [
        {"type": "TextualBody", "value": ALL, "format": form}
        for form in ("text/html", "text/markdown", "text/plain")
    ]
    documents.append(
        {"type": "TextualBody", "value": SHORT[0], "purpose": "tagging"}
    )
    for body in documents:
        answer = target.send(
            "ada",
            "POST",
            "/annotations/",
            json={
                "@context": "http://www.w3.org/ns/anno.jsonld",
                "type": "Annotation",
                "motivation": "commenting",
                "creator": {"type": "Person", "name": SHORT[2]},
                "body": body,
                "target": {
                    "source": "http://testserver/document/",
                    "selector": {
                        "type": "TextQuoteSelector",
                        "exact": "interrupt",
                        "prefix": SHORT[3],
                    },
                },
            },
            headers={"Content-Type": "application/ld+json"},
        )
        assert answer.status_code == 201, answer.text
    answer = target.send(
        "ada",
        "POST",
        "/h/api/annotations",
        json={
            "uri": "http://testserver/document/",
            "text": ALL,
            "tags": [SHORT[0], SHORT[1]],
            "document": {"title": [SHORT[0]]},
            "target": [{"source": "http://testserver/document/"}],
        },
    )
    assert answer.status_code < 300, answer.text
    return ["/document/", "/calls/VMI_Halt", "/document/suggestions/"]


def store_accounts(target: Target) -> list[str]:
    """Store names and notes of accounts; return what shows them."""
    for path, typed in (
        ("/account/name", {"display_name": SHORT[0]}),
        (
            "/account/tokens",
            {"name": SHORT[3], "scope": "read", "days": "9"},
        ),
        (
            "/accounts/invitations/",
            {"role": "reader", "note": SHORT[1], "days": "3"},
        ),
        ("/search/saved", {"name": SHORT[4], "q": SHORT[0]}),
    ):
        answer = target.submit("ada", path, typed)
        assert answer.status_code in {200, 201, 303}, (path, answer.text)
    return [
        *("/account/", "/accounts/", "/accounts/invitations/"),
        *("/accounts/audit", "/accounts/@ada", "/search"),
    ]


def store_question(target: Target) -> list[str]:
    """Store a scenario whose words are script; return what shows it."""
    text = target.send("ada", "GET", f"/api/scenarios/{THREAD}").json()["text"]
    opening = 'notes = """'
    lines = [
        f"question = '''{SHORT[0]}'''"
        if line.startswith("question =")
        else line.replace(opening, f"{opening}\n{SHORT[3]}")
        for line in text.splitlines()
    ]
    answer = target.send(
        "ada",
        "POST",
        "/api/scenarios",
        json={"name": "script", "text": "\n".join(lines)},
    )
    assert answer.status_code == 201, answer.text
    return ["/whatif/", "/whatif/asked-script"]


def store_mail(target: Target) -> list[str]:
    """Import a mail that is script all over; return what shows it."""
    mail = (
        f"From: {SHORT[0]} <a@example.org>\nTo: {SHORT[1]}\n"
        f"Subject: {SHORT[2]}\nMessage-ID: <script@example.org>\n"
        "Date: Mon, 13 Mar 2006 12:00:00 +0000\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        f"Content-Type: text/html\n\n{ALL}\n--b\n"
        "Content-Type: image/svg+xml\nContent-Disposition: attachment; "
        f'filename="a.svg"\n\n<svg xmlns="http://www.w3.org/2000/svg">'
        f"<script>alert('{MARK}')</script></svg>\n--b--\n"
    )
    answer = target.send(
        "ada",
        "POST",
        "/api/messages",
        content=mail.encode(),
        headers={"Content-Type": "message/rfc822"},
    )
    assert answer.status_code < 300, answer.text
    name = "/m/script@example.org"
    return [f"{name}/", f"{name}/t/", f"{name}/T/", "/m/"]


@pytest.mark.parametrize(
    "store",
    [
        store_threads,
        store_on_thread,
        store_annotations,
        store_accounts,
        store_question,
        store_mail,
    ],
)
def test_what_is_stored_does_not_run(
    live: tuple[str, Target], watched: Watched, store: Any
) -> None:
    for path in store(live[1]):
        assert watched.visit(path) == [], path


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_asked_does_not_run(watched: Watched, query: str) -> None:
    for payload in (SHORT[0], SHORT[1], SHORT[9], SHORT[7]):
        path = query.replace("{}", quote(payload, safe=""))
        assert watched.visit(path) == [], path


def test_a_form_that_is_shown_again_does_not_run(watched: Watched) -> None:
    for path, field_name in (
        ("/sign-in", "name"),
        ("/threads/new", "title"),
        ("/document/edit", "change"),
    ):
        watched.ran.clear()
        watched.page.goto(watched.base + path)
        field_ = watched.page.locator(f"main [name={field_name}]").first
        field_.fill(SHORT[1][:LINE])
        with watched.page.expect_navigation():
            field_.evaluate("each => each.form.submit()")
        assert [*watched.ran, *watched.page.evaluate(FOUND)] == [], path


def test_an_attachment_is_no_page_of_ours(live: tuple[str, Target]) -> None:
    _, target = live
    page = target.send("ada", "GET", "/m/script@example.org/").text
    paths = re.findall(r'href="([^"]*/attachments/[^"]*)"', page)
    assert paths
    for path in paths:
        answer = target.send("ada", "GET", path)
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "svg" not in answer.headers["content-type"]
