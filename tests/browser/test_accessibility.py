"""Every page: axe-core, both colour schemes, no sideways scrolling."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Server

pytestmark = pytest.mark.browser

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
TAGS = (
    "wcag2a",
    "wcag2aa",
    "wcag21a",
    "wcag21aa",
    "wcag22aa",
    "best-practice",
)
# what another width or another colour scheme may break
APPEARANCE = ("color-contrast", "target-size", "scrollable-region-focusable")
SMALLEST = 24
WIDTHS = (400, 320)
MAIL = b"""\
From: Andi Kleen <ak@suse.de>
To: Zachary Amsden <zach@vmware.com>
Subject: Re: [RFC] VMI
Date: Wed, 22 Mar 2006 21:05:58 +0100
Message-ID: <quoting@example.org>
Content-Type: text/plain; charset=utf-8

On Monday Zach wrote:
> On Sunday Chris wrote:
> > On Saturday Zach wrote:
> > > > as was said before
> > Then it is late.
> Not so.
Yes it is.

--\x20
Andi
"""
ANSWER = b"""\
From: Zachary Amsden <zach@vmware.com>
Subject: Re: [RFC] VMI
Date: Wed, 22 Mar 2006 22:05:58 +0100
Message-ID: <answering@example.org>
In-Reply-To: <quoting@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8

See <quoting@example.org> and http://example.org/list.
> --- a/vmi.c
> +++ b/vmi.c
> @@ -1,3 +1,3 @@ static void halt(void)
>  \tcli();
> -\thlt();
> +\tvmi_halt();
>  \tsti();

Acked-by: Andi Kleen <ak@suse.de>
Nacked-by: Chris Wright <chrisw@sous-sol.org>
--x
Content-Type: application/zip; name="vmi.zip"
Content-Transfer-Encoding: base64

UEsDBA==
--x--
"""
PAGES = (
    "/",
    "/document/",
    "/document/processor-state-calls",
    "/document/revisions/",
    "/document/revisions/1/",
    "/document/revisions/1/changes",
    "/document/edit?section=time-interface",
    "/document/upload",
    "/document/from-mail",
    "/document/from-mail?id=quoting@example.org",
    "/document/suggestions/",
    "/calls/",
    "/calls/?group=timer&executable=yes",
    "/calls/VMI_EnableInterrupts",
    "/calls/VMI_SetPte",
    "/calls/VMI_EnableInterupts",
    "/threads/",
    "/threads/?reviewer=Nobody",
    "/threads/kleen-watchdog-nmi",
    "/threads/new?call=VMI_Halt&quote=a+passage",
    "/whatif/",
    "/whatif/kleen-sti-shadow/policies",
    "/gaps/",
    "/diet/",
    "/platforms/",
    "/whatif/kleen-sti-shadow?step=4",
    "/whatif/kleen-msr-passwords",
    "{run}",
    "/whatif/new",
    "/review/anchors/",
    "/document/suggestions/new?section=alarms&quote=fires",
    "/decisions/",
    "/decisions/{decision}",
    "/threads/kleen-watchdog-nmi/decisions",
    "/m/",
    "/import/",
    "/m/quoting@example.org/",
    "/m/answering@example.org/",
    "/m/answering@example.org/t/",
    "/m/answering@example.org/T/",
    "/m/quoting@example.com/",
    "/m/answering@example.org/reply-by-mail",
    "/threads/kleen-sti-shadow/reply-by-mail",
    "/search",
    "/search?q=VMI_SetCR3",
    "/search?q=s%3A(a+b)",
    "/sign-in",
    "/sign-in/no-such-link",
    "/invitations/no-such-link",
    "/account/",
    "/accounts/",
    "/accounts/@administrator",
    "/accounts/invitations/",
    "/accounts/members/",
    "/accounts/audit?kind=sign-ins",
    "/docs",
    "/nothing/here",
    "/threads/?kind=bogus",
)

# axe-core looks at the background of each letter: of siblings it is shown
# those in which something stands that did not stand in two before, by names,
# attributes and what a style may choose by
LEAVE_FIRST = """most => {
    const chosen = /^(class|role|type|aria-.*|data-.*)$/;
    const describe = one => one.localName + [...one.attributes]
        .map(({name, value}) => chosen.test(name) && value.length < 12
            ? name + "=" + value : name)
        .sort().join();
    const list = one => new Set([describe(one), ...[
        ...one.querySelectorAll("*")
    ].map(each => describe(each.parentElement) + ">" + describe(each))]);
    const visit = parent => {
        const seen = new Map();
        for (const one of [...parent.children]) {
            const found = [...list(one)];
            if (found.every(each => (seen.get(each) ?? 0) >= most)) {
                one.remove();
                continue;
            }
            found.forEach(each => seen.set(each, (seen.get(each) ?? 0) + 1));
            visit(one);
        }
    };
    visit(document.body);
}"""
SEEN = 2


@pytest.fixture(scope="module")
def contents(
    browser: Browser,
    server: Server,
    signed_in_state: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, str]:
    """Import mails, attach evidence and decide, so that pages are full."""
    folder = tmp_path_factory.mktemp("mail")
    for name, mail in (("quoting", MAIL), ("answering", ANSWER)):
        (folder / f"{name}.eml").write_bytes(mail)
    server.run("import", str(folder))
    context = browser.new_context(
        base_url=server.url, storage_state=signed_in_state
    )
    page = context.new_page()
    page.goto("/whatif/kleen-watchdog-nmi")
    page.get_by_label("The answer you expect").select_option("always")
    page.get_by_role("button", name="Attach as evidence").click()
    run = page.locator("table.evidence td a").first.get_attribute("href")
    page.locator("summary", has_text="Decide").click()
    page.get_by_label("rejected", exact=True).check()
    page.get_by_label("Reason").fill("A `watchdog` of its own is needed.")
    page.get_by_label("Dissent").fill("Andi Kleen would have an NMI.")
    page.get_by_role("checkbox", name="kleen-watchdog-nmi").check()
    page.get_by_role("button", name="Record the decision").click()
    link = page.locator("article.decision a").first.get_attribute("href")
    context.close()
    assert run
    assert link
    return {"run": run, "decision": link.rpartition("/")[2]}


def find_violations(
    page: Page, rules: Sequence[str] = ()
) -> list[tuple[str, str, list[str]]]:
    """Return what axe-core has against the page: rule, help, elements."""
    wanted = ("rule", rules) if rules else ("tag", TAGS)
    report = page.evaluate(
        """([type, values]) => axe.run(document, {
            runOnly: {type, values},
            resultTypes: ["violations"],
            selectors: false,
        })""",
        wanted,
    )
    return [
        (each["id"], each["help"], [node["html"] for node in each["nodes"]])
        for each in report["violations"]
    ]


def find_small_targets(page: Page) -> list[str]:
    """Return the controls below 24 px; links within text may be so."""
    found: list[str] = page.evaluate(
        """smallest => [...document.querySelectorAll(
                "button, select, textarea, summary, nav a, .button, .choice," +
                "input:not([type=hidden], [type=checkbox], [type=radio])")]
            .filter(one => one.checkVisibility())
            .filter(one => {
                const {width, height} = one.getBoundingClientRect();
                return Math.min(width, height) < smallest - 0.1;
            })
            .map(one => one.outerHTML)""",
        SMALLEST,
    )
    return found


def find_sideways(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    excess: int = page.evaluate(
        "document.documentElement.scrollWidth - innerWidth"
    )
    return max(0, excess)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible(
    next_page: Page, contents: Mapping[str, str], path: str
) -> None:
    """Wide and light, narrow and dark, nothing stands in anybody's way."""
    page = next_page
    page.goto(path.format_map(contents))
    assert find_small_targets(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert find_sideways(page) == 0, width
        assert find_small_targets(page) == []
    page.evaluate(LEAVE_FIRST, SEEN)
    page.evaluate(AXE)
    page.emulate_media(color_scheme="dark")
    assert find_violations(page, APPEARANCE) == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 720})
    assert find_violations(page) == []


@pytest.mark.parametrize("path", ["/", "/threads/kleen-watchdog-nmi"])
def test_a_page_is_accessible_without_sign_in(
    reader_page: Page, path: str
) -> None:
    """A reader without name gets other words and the same care."""
    reader_page.goto(path)
    reader_page.evaluate(AXE)
    assert find_violations(reader_page) == []


def test_the_page_before_any_script_has_a_theme(reader_page: Page) -> None:
    """A chosen theme goes over the system's, in both directions."""
    page = reader_page
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(22, 22, 21)"
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(paper) == "rgb(251, 250, 246)"
    page.reload()
    assert page.evaluate(paper) == "rgb(251, 250, 246)"


def test_what_is_shown_to_axe_lacks_no_kind_of_thing(
    reader_page: Page,
) -> None:
    """Two of each kind stay, wherever they stand."""
    rows = ["<li><b>same</b>"] * 5
    rows[3] = '<li><b class="dim">other</b>'
    rows[4] = "<li><b><i>within</i></b>"
    reader_page.set_content(f"<main><ul>{''.join(rows)}</ul></main>")
    reader_page.evaluate(LEAVE_FIRST, SEEN)
    left = reader_page.locator("li").all_inner_texts()
    assert left == ["same", "same", "other", "within"]
