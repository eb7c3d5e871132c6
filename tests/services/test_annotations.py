"""Posts: replies, how they nest, and passages found by their quote."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import InvalidError, NotFoundError
from app.models import Annotation, Entry, Thread, ThreadState
from app.services import annotations
from app.services.annotations import (
    AROUND,
    DEEPEST,
    Post,
    PostRow,
    build_target,
    find_passage,
    nest_posts,
    read_text,
)
from tests.factories import NOW, make_visitor

SLUG = "kleen-sti-shadow"


def _make_row(id_: str, parent: str | None) -> PostRow:
    return PostRow(id_, parent, "Ada", True, NOW, "", "", None, False)


def _measure(posts: list[Post]) -> int:
    deepest, level = 0, list(posts)
    while level:
        deepest += 1
        level = [reply for post in level for reply in post.replies]
    return deepest


def test_a_reply_is_stored_rendered_and_logged(session: Session) -> None:
    ada = make_visitor(session)
    post = annotations.reply(session, ada, SLUG, "**no** <script>x</script>")
    assert post.author == "ada"
    assert post.html.startswith("<p><strong>no</strong> &lt;script&gt;")
    assert annotations.get_post(session, SLUG, post.id) == post
    entry = session.execute(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).scalar_one()
    assert (entry.actor, entry.type) == ("reviewer:ada", "annotation.created")
    assert entry.subject == f"annotation:{post.id}"
    assert entry.data == {
        "thread": SLUG,
        "was": "conceded",
        "parent": None,
        "text": "**no** <script>x</script>",
    }


def test_a_reply_is_a_w3c_annotation_of_what_it_answers(
    session: Session,
) -> None:
    ada = make_visitor(session)
    first = annotations.reply(session, ada, SLUG, "one")
    second = annotations.reply(session, ada, SLUG, "two", first.id)
    documents = [
        session.get_one(Annotation, post.id).document
        for post in (first, second)
    ]
    assert documents[0]["target"] == f"/threads/{SLUG}"
    assert documents[1]["target"] == f"/annotations/{first.id}"
    for document in documents:
        assert document["@context"] == "http://www.w3.org/ns/anno.jsonld"
        assert document["motivation"] == "replying"
        assert document["created"].endswith("Z")
        assert document["body"]["format"] == "text/markdown"


def test_replies_come_after_all_that_was_said(session: Session) -> None:
    ada = make_visitor(session)
    thread_id = session.execute(
        select(col(Thread.id)).where(col(Thread.slug) == SLUG)
    ).scalar_one()
    before = annotations.list_posts(session, thread_id or 0)
    post = annotations.reply(session, ada, SLUG, "late")
    after = annotations.list_posts(session, thread_id or 0)
    assert after == [*before, post]


def test_only_posts_of_the_thread_are_answered(session: Session) -> None:
    ada = make_visitor(session)
    elsewhere = annotations.reply(session, ada, "kleen-watchdog-nmi", "x")
    with pytest.raises(InvalidError) as refused:
        annotations.reply(session, ada, SLUG, "x", elsewhere.id)
    assert refused.value.faults[0].pointer == "/parent"
    with pytest.raises(NotFoundError):
        annotations.reply(session, ada, "no-such-thread", "x")
    with pytest.raises(NotFoundError):
        annotations.get_post(session, SLUG, elsewhere.id)


def test_an_unanswered_thread_is_open_once_somebody_speaks(
    session: Session,
) -> None:
    thread = (
        session.execute(
            select(Thread).where(col(Thread.state) == ThreadState.unanswered)
        )
        .scalars()
        .first()
    )
    assert thread is not None
    annotations.reply(session, make_visitor(session), thread.slug, "Because.")
    session.refresh(thread)
    assert thread.state == ThreadState.open
    assert thread.outcome == ThreadState.unanswered


def test_replies_nest_under_what_they_answer() -> None:
    rows = [
        _make_row("a", None),
        _make_row("b", "a"),
        _make_row("c", None),
        _make_row("d", "a"),
        _make_row("e", "b"),
    ]
    first, second = nest_posts(rows)
    assert [post.row.id for post in first.replies] == ["b", "d"]
    assert [post.row.id for post in first.replies[0].replies] == ["e"]
    assert second == Post(rows[2], [])


@given(st.lists(st.integers(0, 400), max_size=400))
def test_no_post_is_lost_and_none_lies_too_deep(answered: list[int]) -> None:
    rows = [
        _make_row(str(n), str(to) if to < n else None)
        for n, to in enumerate(answered)
    ]
    posts = nest_posts(rows)
    assert _measure(posts) <= DEEPEST + 1
    seen, waiting = set(), list(posts)
    while waiting:
        post = waiting.pop()
        seen.add(post.row.id)
        waiting.extend(post.replies)
    assert seen == {row.id for row in rows}


def test_a_chain_as_long_as_anybody_likes_is_nested() -> None:
    rows = [
        _make_row(str(n), str(n - 1) if n else None) for n in range(20_000)
    ]
    assert _measure(nest_posts(rows)) == DEEPEST + 1


def test_a_passage_is_found_whatever_its_white_space() -> None:
    text = "Calls that\nenable interrupts   deliver\nthem."
    passage = find_passage(text, " enable  interrupts\ndeliver ")
    assert passage is not None
    assert text[passage.start : passage.end] == passage.exact
    assert passage.exact == "enable interrupts   deliver"
    assert passage.prefix == "Calls that\n"
    assert passage.suffix == "\nthem."


def test_of_equal_passages_the_nearest_is_meant() -> None:
    text = "flags, flags, flags"
    for near, start in ((None, 0), (0, 0), (8, 7), (99, 14)):
        passage = find_passage(text, "flags", near)
        assert passage is not None
        assert passage.start == start


def test_positions_count_code_points() -> None:
    passage = find_passage("\U0001d518 e\u0301 ✓ quote", "quote")
    assert passage is not None
    assert passage.start == 7


def test_what_is_not_there_is_not_found() -> None:
    assert find_passage("some text", "other") is None
    assert find_passage("some text", "  ") is None


def test_a_quote_keeps_a_little_of_what_stands_around_it() -> None:
    passage = find_passage("a" * 100 + "X" + "b" * 100, "X")
    assert passage is not None
    assert passage.prefix == "a" * AROUND
    assert passage.suffix == "b" * AROUND


def test_the_text_of_a_section_has_no_tags_and_no_entities() -> None:
    assert read_text("<p>a &lt; <em>b</em> &amp; c</p>\n") == "a < b & c\n"


def test_a_target_names_calls_section_and_passage() -> None:
    assert build_target(["VMI_Halt"], None, None) == "/calls/VMI_Halt"
    passage = find_passage("the quote here", "quote")
    target: Any = build_target(["VMI_Halt"], "intro", passage)
    section, call = target
    assert call == "/calls/VMI_Halt"
    assert section["type"] == "SpecificResource"
    selector = section["selector"]
    assert (selector["type"], selector["value"]) == (
        "FragmentSelector",
        "intro",
    )
    quote, position = selector["refinedBy"]
    assert quote["exact"] == "quote"
    assert (position["start"], position["end"]) == (4, 9)
