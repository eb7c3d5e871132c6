"""Posts of one's own as pages: edited, deleted, and raced for."""

from html import unescape

import pytest

from tests.routes.crew import Crew

CORPUS = "kleen-cpuid-notification"


def _address(slug: str, post: str, end: str = "") -> str:
    return f"/threads/{slug}/posts/{post}{end}"


def test_a_post_is_edited_on_a_page_of_its_own(crew: Crew) -> None:
    slug = crew.open_thread("ada", "an edit")
    post = crew.comment("bob", slug, "first")
    edit = _address(slug, post, "/edit")
    assert edit in crew.browse("bob", f"/threads/{slug}").text
    assert edit not in crew.browse("ada", f"/threads/{slug}").text
    form = crew.browse("bob", edit).text
    assert "first</textarea>" in form
    assert 'name="version" value="1"' in form
    answer = crew.browse(
        "bob", _address(slug, post), {"text": "<b>2</b>", "version": "1"}
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/threads/{slug}#post-{post}"
    page = crew.browse("ada", f"/threads/{slug}").text
    assert "&lt;b&gt;2&lt;/b&gt;" in page
    assert ", edited " in page


@pytest.mark.parametrize("is_part", [False, True])
def test_who_loses_a_race_sees_both_texts(crew: Crew, is_part: bool) -> None:
    slug = crew.open_thread("ada", f"a race {is_part}")
    post = crew.comment("bob", slug, "first")
    address = _address(slug, post)
    crew.browse("bob", address, {"text": "theirs", "version": "1"})
    late = crew.browse(
        "bob", address, {"text": "mine", "version": "1"}, is_part=is_part
    )
    assert late.status_code == 409
    assert ("<html" in late.text) is not is_part
    assert "<p>theirs</p>" in late.text
    assert "mine</textarea>" in late.text
    assert 'name="version" value="2"' in late.text
    kept = crew.ask(None, "GET", f"/api/threads/{slug}/comments/{post}")
    assert kept.json()["text"] == "theirs"
    won = crew.browse("bob", address, {"text": "mine", "version": "2"})
    assert won.status_code == 303


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"text": " ", "version": "1"}, "this must not be empty"),
        ({"text": "x" * 50_000, "version": "1"}, "40000"),
        ({"text": "a\x07b", "version": "1"}, "U+0007"),
    ],
)
def test_a_refused_edit_keeps_what_was_typed(
    crew: Crew, typed: dict[str, str], message: str
) -> None:
    slug = crew.open_thread("ada", f"refused {message}")
    post = crew.comment("bob", slug, "first")
    answer = crew.browse("bob", _address(slug, post), typed)
    assert answer.status_code == 422
    assert message in unescape(answer.text)
    assert f"{typed['text']}</textarea>" in unescape(answer.text)


@pytest.mark.parametrize(
    ("name", "status"), [("eve", 403), ("ada", 403), ("bob", 200), ("ed", 200)]
)
def test_the_form_is_shown_to_who_may_use_it(
    crew: Crew, name: str, status: int
) -> None:
    slug = crew.open_thread("ada", f"who edits, {name}")
    post = crew.comment("bob", slug, "first")
    answer = crew.browse(name, _address(slug, post, "/edit"))
    assert answer.status_code == status
    if status == 200:
        assert ("</textarea>" in answer.text) is (name == "bob")
        assert ('name="reason"' in answer.text) is (name == "ed")
    sent = {"text": "x", "version": "1"}
    changed = crew.browse(name, _address(slug, post), sent)
    assert changed.status_code == (303 if name == "bob" else 403)


def test_a_deleted_post_says_so_where_it_was_answered(crew: Crew) -> None:
    slug = crew.open_thread("ada", "deleted here")
    post = crew.comment("bob", slug, "never mind this")
    answer = crew.comment("ada", slug, "an answer", post)
    removal = _address(slug, post, "/removal")
    crew.browse("bob", removal, {"version": "1"})
    page = crew.browse("ada", f"/threads/{slug}").text
    assert "never mind this" not in page
    assert "<i>deleted</i>" in page
    assert page.index(f'id="post-{post}"') < page.index(f'id="post-{answer}"')
    again = crew.browse("bob", removal, {"version": "1"})
    assert again.status_code == 410
    crew.browse("ada", _address(slug, answer, "/removal"), {"version": "1"})
    page = crew.browse("ada", f"/threads/{slug}").text
    assert "<i>deleted</i>" not in page
    assert "Nobody has answered yet." in page


def test_an_editor_is_asked_for_a_reason(crew: Crew) -> None:
    slug = crew.open_thread("ada", "asked why")
    post = crew.comment("bob", slug, "off topic")
    removal = _address(slug, post, "/removal")
    refused = crew.browse("ada", removal, {"version": "1", "reason": "x"})
    assert refused.status_code == 403
    silent = crew.browse("ed", removal, {"version": "1", "reason": " "})
    assert silent.status_code == 422
    assert 'aria-invalid="true"' in silent.text
    late = crew.browse("ed", removal, {"version": "7", "reason": "rude"})
    assert late.status_code == 409
    assert 'value="rude"' in late.text
    gone = crew.browse(
        "ed", removal, {"version": "1", "reason": "rude"}, is_part=True
    )
    assert gone.status_code == 200
    assert gone.text.lstrip().startswith('<div class="said"')
    assert "deleted" in gone.text


def test_htmx_gets_the_post_alone(crew: Crew) -> None:
    slug = crew.open_thread("ada", "alone")
    post = crew.comment("bob", slug, "first")
    form = crew.browse("bob", _address(slug, post, "/edit"), is_part=True)
    assert form.text.lstrip().startswith('<div class="said"')
    typed = {"text": "second", "version": "1"}
    said = crew.browse("bob", _address(slug, post), typed, is_part=True)
    assert said.status_code == 200
    assert "<p>second</p>" in said.text
    assert "<html" not in said.text
    whole = crew.browse("bob", _address(slug, post))
    assert "<p>second</p>" in whole.text
    assert "<html" in whole.text


def test_what_opened_a_thread_is_edited_and_deleted_too(crew: Crew) -> None:
    slug = crew.open_thread("ada", "an opener")
    page = crew.browse("ada", f"/threads/{slug}").text
    edit = page.partition(f'href="/threads/{slug}/posts/')[2].partition('"')[0]
    post = edit.removesuffix("/edit")
    typed = {"text": "opened anew", "version": "1"}
    answer = crew.browse("ada", _address(slug, post), typed)
    assert answer.headers["location"] == f"/threads/{slug}#opener"
    assert "opened anew" in crew.browse("bob", f"/threads/{slug}").text
    crew.browse("ada", _address(slug, post, "/removal"), {"version": "2"})
    page = crew.browse("bob", f"/threads/{slug}").text
    assert "opened anew" not in page
    assert "<i>deleted</i>" in page


def test_who_moderates_says_how_the_thread_stands_and_is_no_reply(
    crew: Crew,
) -> None:
    slug = crew.open_thread("ada", "to be settled")
    sent = {"state": "deferred", "reason": "After the merge."}
    path = f"/api/threads/{slug}"
    tag = crew.ask("ed", "GET", path).headers["etag"]
    answer = crew.ask("ed", "PATCH", path, sent=sent, If_Match=tag)
    assert answer.status_code == 200, answer.text
    page = crew.browse("ada", f"/threads/{slug}").text
    assert ' set it to <span class="state state-deferred">' in page
    assert "After the merge." in page
    assert "Nobody has answered yet." in page
    text = crew.browse("ada", f"/threads/{slug}.md").text
    assert "ed set it to deferred, " in text


def test_what_came_by_mail_is_not_edited(crew: Crew) -> None:
    items = crew.ask(None, "GET", f"/api/threads/{CORPUS}/comments").json()
    post = items["items"][0]["id"]
    assert _address(CORPUS, post, "/edit") not in (
        crew.browse("ed", f"/threads/{CORPUS}").text
    )
    for end, typed in (("/edit", None), ("/removal", {"version": "1"})):
        answer = crew.browse("ed", _address(CORPUS, post, end), typed)
        assert answer.status_code == 409
