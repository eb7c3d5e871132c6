"""Threads as pages: lists, forms, replies."""

import re
from html import unescape

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.identity import SESSION_COOKIE
from app.models import Role
from app.services import reviewers, sessions

SLUG = "kleen-cpuid-notification"
PAGE = f"/threads/{SLUG}"
PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
THREAD = {
    "title": "A window",
    "kind": "objection",
    "severity": "blocking",
    "text": "There is **one**.",
    "calls": "VMI_Halt, VMI_EnableInterrupts",
}


def _count_rows(page: str) -> int:
    return page.count('class="row thread-row"')


def test_the_list_narrows_by_address(client: TestClient) -> None:
    assert _count_rows(client.get("/threads/").text) == 88
    page = client.get("/threads/?reviewer=Andi+Kleen&kind=praise&state=")
    assert _count_rows(page.text) == 0
    assert "Loosen a filter" in page.text
    narrowed = client.get("/threads/?reviewer=Andi+Kleen").text
    assert _count_rows(narrowed) == 24
    assert '<option value="Andi Kleen" selected>' in narrowed


def test_htmx_gets_the_rows_alone(client: TestClient) -> None:
    answer = client.get("/threads/?kind=praise", headers=PARTIAL)
    assert answer.text.lstrip().startswith('<div id="threads"')
    assert _count_rows(answer.text) == 4
    assert "HX-Request-Type" in answer.headers["vary"]


def test_a_filter_that_is_none_is_refused(client: TestClient) -> None:
    answer = client.get("/threads/?kind=gripe")
    assert answer.status_code == 422
    assert "kind" in answer.text


def test_a_page_past_the_end_is_empty_and_not_an_error(
    client: TestClient,
) -> None:
    answer = client.get("/threads/?page=7")
    assert answer.status_code == 200
    assert _count_rows(answer.text) == 0


def test_a_reader_sees_all_and_no_form(client: TestClient) -> None:
    page = client.get(PAGE).text
    assert page.count('<li class="post"') == 5
    assert "author of the proposal" in page
    assert '<form method="post"' not in page
    assert f"/sign-in?next={PAGE}" in page


def test_replies_nest_as_they_answer(client: TestClient) -> None:
    page = client.get(PAGE).text
    levels, depth = [], 0
    for tag in re.findall(r'<ol class="posts"|</ol>|class="post-head"', page):
        depth += {"<ol": 1, "</o": -1}.get(tag[:3], 0)
        if tag.startswith("class"):
            levels.append(depth)
    assert levels == [0, 1, 1, 2, 3, 3]


def test_a_link_to_a_question_is_told_from_another(site: TestClient) -> None:
    """One question needs no other name, several are named by what they ask."""
    link = re.compile(r'<li><a href="/whatif/[a-z][^>]*>([^<]*)</a>')
    alone = link.findall(site.get("/threads/kleen-sti-shadow").text)
    assert alone == ["Run the question"]
    both = link.findall(site.get("/threads/kleen-watchdog-nmi").text)
    assert len(both) == len(set(both)) == 2
    assert "Run the question" in both
    assert any("sends it an NMI" in text for text in both)


def test_a_thread_without_answers_says_so(client: TestClient) -> None:
    listed = client.get("/threads/?state=unanswered").text
    slug = re.findall(r'row-title" href="(/threads/[^"]+)"', listed)[0]
    assert "Nobody has answered yet." in client.get(slug).text


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/threads/new"),
        ("POST", "/threads/"),
        ("POST", f"{PAGE}/replies"),
        ("POST", f"/api{PAGE}/comments"),
    ],
)
def test_who_is_not_signed_in_writes_nothing(
    client: TestClient, method: str, address: str
) -> None:
    head = client.get("/api/log?limit=500").json()["items"][-1]
    answer = client.request(method, address, data={"text": "x"})
    assert answer.status_code == 401
    assert client.get("/api/log?limit=500").json()["items"][-1] == head


def test_a_reader_by_role_may_not_write(
    client: TestClient, database: Database
) -> None:
    with database.write() as session:
        reader = reviewers.add_reviewer(session, "eve", Role.reader)
        secret = sessions.sign_in(session, reader.id or 0, days=1, means="x")
    client.cookies.set(SESSION_COOKIE, secret)
    client.headers["Sec-Fetch-Site"] = "same-origin"
    answer = client.post(f"{PAGE}/replies", data={"text": "x"})
    assert answer.status_code == 403
    assert 'name="text"' not in client.get(PAGE).text


def test_opening_a_thread_leads_to_it(signed_in: TestClient) -> None:
    answer = signed_in.post("/threads/", data=THREAD, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/threads/ada-a-window"
    page = signed_in.get("/threads/ada-a-window").text
    assert "There is <strong>one</strong>." in page
    assert "VMI_EnableInterrupts" in page
    assert _count_rows(signed_in.get("/threads/").text) == 89
    assert (
        'href="/threads/ada-a-window"'
        in signed_in.get("/threads/?call=VMI_Halt").text
    )


def test_the_form_is_filled_from_the_address(signed_in: TestClient) -> None:
    page = signed_in.get(
        "/threads/new?section=local-apic-support&quote=%3Cb%3E&kind=question"
    ).text
    assert '<option value="local-apic-support" selected>' in page
    assert "&lt;b&gt;</textarea>" in page
    assert re.search(r'value="question" checked', page)
    assert (
        'value="VMI_Halt"' in signed_in.get("/threads/new?call=VMI_Halt").text
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("title", " ", "this must not be empty"),
        ("text", "", "this must not be empty"),
        ("kind", "gripe", "objection"),
        ("calls", "VMI_Nothing", "no call is called 'VMI_Nothing'"),
        ("quote", "not there", "expected text of the section chosen"),
        ("text", "a\x07b", "U+0007"),
    ],
)
def test_a_refused_form_keeps_what_was_typed(
    signed_in: TestClient, field: str, value: str, message: str
) -> None:
    typed = THREAD | {"section": "local-apic-support", field: value}
    answer = signed_in.post("/threads/", data=typed)
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert message in page
    for name in ("title", "text", "calls"):
        assert typed[name] in page
    assert '<option value="local-apic-support" selected>' in page


def test_a_preview_stores_nothing_and_keeps_the_draft(
    signed_in: TestClient,
) -> None:
    typed = THREAD | {"act": "preview", "title": ""}
    page = signed_in.post("/threads/", data=typed)
    assert page.status_code == 200
    assert "<p>There is <strong>one</strong>.</p>" in page.text
    assert "There is **one**.</textarea>" in page.text
    alone = signed_in.post("/threads/", data=typed, headers=PARTIAL)
    assert alone.text.lstrip().startswith('<div id="preview"')
    assert _count_rows(signed_in.get("/threads/").text) == 88


def test_a_reply_stands_under_what_it_answers(signed_in: TestClient) -> None:
    ids = re.findall(r'id="post-([^"]+)"', signed_in.get(PAGE).text)
    form = signed_in.get(f"{PAGE}?reply={ids[0]}").text
    assert f'name="parent" value="{ids[0]}"' in form
    assert "Reply to Zachary Amsden" in form
    answer = signed_in.post(
        f"{PAGE}/replies",
        data={"text": "Why <i>not</i>?", "parent": ids[0]},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    place = answer.headers["location"]
    assert place.startswith(f"{PAGE}#post-")
    page = signed_in.get(PAGE).text
    assert "Why &lt;i&gt;not&lt;/i&gt;?" in page
    first, second = (page.index(f'id="post-{i}"') for i in ids[:2])
    assert first < page.index(f'id="{place.split("#")[1]}"') < second


def test_a_reply_to_a_post_that_is_not_there_falls_to_the_thread(
    signed_in: TestClient,
) -> None:
    page = signed_in.get(f"{PAGE}?reply=nothing").text
    assert 'name="parent"' not in page
    answer = signed_in.post(
        f"{PAGE}/replies", data={"text": "Mine.", "parent": "nothing"}
    )
    assert answer.status_code == 422
    assert "Mine.</textarea>" in answer.text
    missing = signed_in.post("/threads/none/replies", data={"text": "x"})
    assert missing.status_code == 404


def test_an_empty_reply_is_refused_and_a_preview_shown(
    signed_in: TestClient,
) -> None:
    empty = signed_in.post(f"{PAGE}/replies", data={"text": " \n"})
    assert empty.status_code == 422
    assert "this must not be empty" in empty.text
    typed = {"text": "*so*", "act": "preview"}
    page = signed_in.post(f"{PAGE}/replies", data=typed)
    assert page.status_code == 200
    assert "<p><em>so</em></p>" in page.text
    assert "*so*</textarea>" in page.text
    alone = signed_in.post(f"{PAGE}/replies", data=typed, headers=PARTIAL)
    assert "<em>so</em>" in alone.text
    assert "<html" not in alone.text


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](http://evil.example/pixel.png)",
        "<svg/onload=alert(1)>",
    ],
)
def test_what_a_reviewer_writes_runs_nothing(
    signed_in: TestClient, text: str
) -> None:
    page = signed_in.post(f"{PAGE}/replies", data={"text": text}).text
    said = page[page.index('<article class="posts"') : page.index("<aside>")]
    assert "<img" not in said
    assert "<svg/onload" not in said
    assert 'href="javascript' not in said
    assert 'src="' not in said


def test_pages_take_few_queries(
    client: TestClient, statements: list[str]
) -> None:
    around = 4  # who may read, the log's head for the page cache, the shell's
    for address, most in (("/threads/", around + 3), (PAGE, around + 5)):
        statements.clear()
        client.get(address + "?fresh=1")
        assert 0 < len(statements) <= most, statements
