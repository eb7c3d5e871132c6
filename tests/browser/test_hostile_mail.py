"""The worst of the hostile mails, in a browser under the policy we serve.

Chromium tells of each script, style and image that the policy holds back, so
a page that says nothing holds none of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from urllib.parse import quote

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
)

from app.errors import InvalidError
from app.services.preparing import prepare_mail
from tests.browser.conftest import Server, serve
from tests.conftest import SQLiteCopies
from tests.hostile_mails import make_mutant, read_mails

pytestmark = pytest.mark.browser

SAMPLE = 40
FIRST = 30_000
LONGEST = 100_000
SIGNS = (b"<script", b"onerror", b"onload", b"onmouse", b"<style", b"data:")
BESIDE = ("t/", "T/", "reply-by-mail")
LISTS = (
    *("/m/", "/search?q=script", "/search?q=s%3Aonerror", "/review/anchors/"),
    "/document/",
)
FOREIGN = """() => [...document.querySelectorAll("article.mail *")]
    .filter(one => !/^(pre|div|details|summary|span|a)$/.test(one.localName)
        || [...one.attributes].some(each => /^on|^style$/.test(each.name))
        || one.localName == "a" && !/^https?:$/.test(one.protocol))
    .map(one => one.outerHTML)"""


@dataclass
class Watched:
    """A page, and what it did that none should do."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self.note)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("dialog", self.refuse)
        self.page.on("request", self.note_request)

    def note(self, message: ConsoleMessage) -> None:
        """Keep an error or a warning."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def refuse(self, dialog: Dialog) -> None:
        """Close a dialog that a script opened."""
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def note_request(self, request: Request) -> None:
        """Keep what is asked of somebody else."""
        if not request.url.startswith(f"{self.base}/"):
            self.complaints.append(f"request: {request.url}")

    def visit(self, path: str) -> Response:
        """Open a page, to its end."""
        answer = self.page.goto(f"{self.base}{path}", wait_until="load")
        assert answer is not None
        return answer


def choose_mutants() -> Iterator[bytes]:
    """Yield mutants that are taken and hold what must not run."""
    mails = read_mails("-")
    for number in count(FIRST):
        raw = make_mutant(number, mails)
        if len(raw) > LONGEST or not any(sign in raw for sign in SIGNS):
            continue
        try:
            prepare_mail(raw)
        except InvalidError:
            continue
        yield raw


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, sqlite_copies: SQLiteCopies
) -> Iterator[Server]:
    """Run a server of its own: no other test is to meet these mails."""
    mails = tmp_path_factory.mktemp("mutants")
    for number, raw in enumerate(islice(choose_mutants(), SAMPLE)):
        (mails / f"{number}.eml").write_bytes(raw)
    folder = tmp_path_factory.mktemp("hostile")
    sqlite_copies.place("full", folder)
    with serve(folder) as server:
        server.run("import", str(mails))
        yield server


@pytest.fixture
def watched(browser: Browser, site: Server) -> Iterator[Watched]:
    """Return a reader's page on that server."""
    context: BrowserContext = browser.new_context()
    yield Watched(context.new_page(), site.url)
    context.close()


def list_pages(watched: Watched) -> Sequence[str]:
    """Return the addresses of the mails' pages."""
    answer = watched.page.request.get(f"{watched.base}/api/messages?limit=500")
    items = answer.json()["items"]
    assert len(items) > SAMPLE * 0.9, "a copy of a known mail is no new one"
    return [f"/m/{quote(item['message_id'], safe='/@')}/" for item in items]


def test_no_mail_runs_or_loads_anything(watched: Watched) -> None:
    for path in list_pages(watched):
        assert watched.visit(path).status == 200, path
        assert watched.page.evaluate(FOREIGN) == [], path
        assert watched.complaints == [], path


def test_nor_do_the_pages_that_gather_them(watched: Watched) -> None:
    pages = [
        f"{path}{rest}" for path in list_pages(watched)[:6] for rest in BESIDE
    ]
    for path in (*pages, *LISTS):
        assert watched.visit(path).status == 200, path
        assert watched.page.evaluate(FOREIGN) == [], path
        assert watched.complaints == [], path


@pytest.mark.parametrize(
    "html",
    [
        "<img src=x onerror=alert(1)>",
        "<p style=color:red>",
        "<img src=http://other.invalid/x>",
    ],
)
def test_the_watch_sees_what_must_not_be(watched: Watched, html: str) -> None:
    """Under the same policy each of these makes itself heard."""
    watched.visit("/m/")
    put = "html => { document.querySelector('main').innerHTML = html }"
    with watched.page.expect_event("console"):
        watched.page.evaluate(put, html)
    assert watched.complaints != []
    mail = "<article class=mail><a href=javascript:x onclick=y>z</a></article>"
    watched.page.evaluate(put, mail)
    assert len(watched.page.evaluate(FOREIGN)) == 1
