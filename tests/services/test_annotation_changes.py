"""Making, replacing and deleting annotations, and where they belong."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import (
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    MalformedError,
    PreconditionError,
)
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    AnnotationTag,
    Entry,
    RevisionSource,
    Role,
    Section,
    Severity,
    Thread,
    ThreadCall,
    ThreadKind,
    ThreadState,
)
from app.services import (
    annotation_changes,
    annotation_filling,
    annotation_rows,
    annotations,
    document,
    remarks,
    revising,
    revisions,
    settling,
    threads,
    waiting_anchors,
)
from app.services.annotation_rows import AnnotationRow, Wanted
from app.services.annotations import CONTEXT, read_text
from app.services.reviewers import Visitor
from app.services.revising import NewRevision
from tests import w3c
from tests.factories import make_visitor

SITE = "http://review.example"
THREAD = "kleen-sti-shadow"


def get_section(session: Session, number: str = "2.11") -> Section:
    """Return a section of the bundled document."""
    return session.scalars(
        select(Section)
        .where(col(Section.number) == number)
        .order_by(col(Section.id).desc())
        .limit(1)
    ).one()


def pick_words(session: Session, first: int = 3, last: int = 12) -> str:
    """Return some words of a section, with single spaces."""
    text = read_text(get_section(session).html)
    return " ".join(text.split()[first:last])


def make_document(**parts: object) -> dict[str, Any]:
    """Return an annotation of the document with these parts."""
    return {
        "@context": CONTEXT,
        "type": "Annotation",
        "body": {"type": "TextualBody", "value": "Hear, hear."},
        "target": "/document/",
    } | parts


def make_quote(exact: str, **more: object) -> dict[str, Any]:
    """Return a target: these words of the document."""
    return {
        "source": "/document/",
        "selector": {"type": "TextQuoteSelector", "exact": exact, **more},
    }


def post(session: Session, visitor: Visitor, **parts: object) -> AnnotationRow:
    """Post an annotation with these parts."""
    return annotation_changes.create_annotation(
        session, visitor, make_document(**parts)
    )


def list_anchors(session: Session, id_: str) -> list[Anchor]:
    """Return the anchors of an annotation in their order."""
    return list(
        session.scalars(
            select(Anchor)
            .where(col(Anchor.annotation_id) == id_)
            .order_by(col(Anchor.revision_id), col(Anchor.position))
        )
    )


def get_last_entry(session: Session) -> Entry:
    """Return the newest line of the log."""
    return session.scalars(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).one()


def test_what_is_returned_is_what_is_stored(session: Session) -> None:
    """A new annotation is not read back, and need not be."""
    visitor = make_visitor(session)
    opener = post(session, visitor, motivation="questioning")
    reply = post(session, visitor, target=f"/threads/{THREAD}")
    made = [
        opener,
        reply,
        post(session, visitor, target=f"/annotations/{reply.id}"),
        post(session, visitor, target=f"/annotations/{opener.id}"),
        post(session, visitor, target="https://example.org/é", body=[]),
    ]
    session.expire_all()
    for row in made:
        assert row == annotation_rows.get_annotation(session, row.id)
    assert [row.thread is None for row in made] == [*[False] * 4, True]


def test_an_address_with_a_nul_leads_nowhere(session: Session) -> None:
    """No text of PostgreSQL has one, so nothing is called so."""
    visitor = make_visitor(session)
    for noun in ("threads", "annotations", "calls"):
        row = post(session, visitor, target=f"/{noun}/a%00b", body=[])
        assert (row.thread, row.parent) == (None, None)
    row = post(
        session,
        visitor,
        motivation="assessing",
        target=f"/threads/{THREAD}",
        body={"source": "/whatif/a%00b", "purpose": "describing"},
    )
    assert row.thread == THREAD


def test_what_a_client_sent_survives_reading_and_writing(
    session: Session,
) -> None:
    """Unknown keys, numbers, nulls and contexts of its own come back."""
    visitor = make_visitor(session)
    own = {
        "number": 0.1,
        "large": 12345678901234567890,
        "null": None,
        "nested": {"@context": {"x": None}, "id": "/not/an/iri/of/ours"},
        "list": [[], {}, "/document/", False, 1.0],
        "": "é😀",
    }
    sent = make_document(**{"@context": [CONTEXT, {"x": "a:b"}], "x:own": own})
    row = annotation_changes.create_annotation(session, visitor, sent)
    session.expire_all()
    read = annotation_rows.get_annotation(session, row.id).document
    assert json.dumps(read["x:own"]) == json.dumps(own)
    emitted = annotation_rows.absolutize(read, SITE)
    assert emitted["target"] == f"{SITE}/document/"
    assert emitted["x:own"] == own
    again = annotation_rows.relativize(emitted, SITE)
    assert again == read
    changed = annotation_changes.replace_annotation(
        session, visitor, row.id, again
    )
    del changed.document["modified"]
    assert changed.document == read
    assert changed.version == 2


def test_a_list_of_no_body_is_no_body(session: Session) -> None:
    visitor = make_visitor(session)
    row = post(session, visitor, body=[])
    assert row.motivation == "highlighting"
    assert "body" not in row.document
    changed = annotation_changes.replace_annotation(
        session, visitor, row.id, make_document(body=[])
    )
    assert "body" not in changed.document


def test_a_sent_id_goes_to_via_and_the_server_chooses_another(
    session: Session,
) -> None:
    visitor = make_visitor(session)
    row = post(
        session, visitor, id="http://a.example/1", via="http://b.example/2"
    )
    assert row.document["id"] == f"/annotations/{row.id}"
    assert row.document["via"] == ["http://b.example/2", "http://a.example/1"]
    assert row.document["creator"]["nickname"] == "ada"
    with pytest.raises(ConflictError):
        annotation_changes.replace_annotation(
            session, visitor, row.id, make_document(via="http://c.example/")
        )
    with pytest.raises(ConflictError):
        annotation_changes.replace_annotation(
            session, visitor, row.id, make_document(id="/annotations/other")
        )


def test_a_creator_of_another_name_does_not_hide_who_posted(
    session: Session,
) -> None:
    theirs = {"type": "Person", "name": "Linus"}
    forged = {"review:postedBy": {"nickname": "administrator"}}
    row = post(session, make_visitor(session), creator=theirs, **forged)
    assert row.document["creator"] == theirs
    assert row.document["review:postedBy"]["nickname"] == "ada"
    assert row.reviewer == "ada"


@pytest.mark.parametrize("slug", ["..", "a/b", "x" * 121, "vmi", "é"])
def test_a_slug_that_is_no_good_is_not_taken(
    session: Session, slug: str
) -> None:
    visitor = make_visitor(session)
    row = annotation_changes.create_annotation(
        session, visitor, make_document(), slug=slug
    )
    assert row.id != slug


def test_a_slug_is_taken_once_and_for_ever(session: Session) -> None:
    visitor = make_visitor(session)
    for expected in (True, False):
        row = annotation_changes.create_annotation(
            session, visitor, make_document(), container="vmi", slug="my.note"
        )
        assert (row.id == "my.note") is expected
        if expected:
            assert annotation_rows.make_path(row) == "/annotations/vmi/my.note"
            annotation_changes.delete_annotation(session, visitor, "my.note")
    with pytest.raises(GoneError):
        annotation_rows.get_annotation(session, "my.note")


def test_a_quote_is_anchored_at_once_and_stands_in_the_margin(
    session: Session,
) -> None:
    visitor = make_visitor(session)
    words = pick_words(session)
    row = post(session, visitor, target=make_quote(words))
    anchor = list_anchors(session, row.id)[0]
    section = get_section(session)
    assert anchor.state is AnchorState.exact
    assert anchor.section_id == section.id
    text = read_text(section.html)
    assert text[anchor.start : anchor.end] == anchor.exact
    assert anchor.exact.split() == words.split()
    shown = document.read_document(session)
    said = next(s for s in shown.sections if s.id == section.id).said
    assert [remark.id for remark in said] == [row.id]
    entry = get_last_entry(session)
    assert entry.type == "annotation.created"
    assert entry.data["anchors"][0]["section"] == section.anchor


def test_what_is_said_of_the_whole_stands_beside_its_title(
    session: Session,
) -> None:
    row = post(session, make_visitor(session))
    shown = document.read_document(session)
    assert [remark.id for remark in shown.sections[0].said] == [row.id]
    lost = post(
        session, make_visitor(session, "bob"), target="/document/#no-such"
    )
    assert list_anchors(session, lost.id)[0].state is AnchorState.orphan


def test_each_target_has_its_anchor_and_a_call_shows_its_remark(
    session: Session,
) -> None:
    visitor = make_visitor(session)
    row = post(
        session,
        visitor,
        target=[
            make_quote(pick_words(session)),
            "/calls/VMI_EnableInterrupts",
            "http://example.org/elsewhere",
            {"source": "/calls/VMI_CPUID", "scope": "a:b"},
        ],
    )
    found = list_anchors(session, row.id)
    assert [anchor.position for anchor in found] == [0, 1, 2]
    assert found[1].call_id is not None
    on_call = remarks.list_call_remarks(session, found[1].call_id)
    assert row.id in [remark.id for remark in on_call]
    assert len(on_call) == 1


def test_a_quote_that_is_nowhere_waits_pinned_to_what_was_named(
    session: Session,
) -> None:
    visitor = make_visitor(session)
    target = make_quote("zebras graze where no kernel has ever been")
    lost = post(session, visitor, target=target)
    pinned = post(
        session,
        visitor,
        target=target | {"source": f"/document/{get_section(session).anchor}"},
    )
    waiting = waiting_anchors.list_waiting(session, AnchorState.orphan)
    assert len(waiting) == 2
    assert waiting[0].was is None
    assert waiting[0].quoted.startswith("zebras")
    assert waiting[1].section is not None
    assert list_anchors(session, lost.id)[0].section_id is None
    anchor = list_anchors(session, pinned.id)[0]
    editor = make_visitor(session, "ed", Role.editor)
    settling.reattach(
        session,
        editor,
        waiting[0].id,
        get_section(session).anchor,
        pick_words(session),
    )
    placed = list_anchors(session, lost.id)[0]
    assert placed.state is AnchorState.moved
    assert placed.section_id == anchor.section_id
    settling.set_orphan(session, editor, waiting[1].id)
    assert list_anchors(session, pinned.id)[0].exact.startswith("zebras")


def test_what_was_lost_is_looked_for_again_in_a_later_revision(
    session: Session,
) -> None:
    visitor = make_visitor(session, "ed", Role.editor)
    words = "zebras graze where no kernel has ever been"
    row = post(session, visitor, target=make_quote(words))
    newest = revisions.get_newest(session)
    text = revisions.read_markdown(session, newest.id)
    made = revising.create_revision(
        session,
        visitor,
        NewRevision(
            text=f"{text.rstrip()}\n\nHere {words}.\n",
            change="Zebras.",
            dated_on="2026-11-23",
            source=RevisionSource.edit,
            basis=newest.number,
        ),
    )
    now = [
        a for a in list_anchors(session, row.id) if a.revision_id == made.id
    ]
    assert [(a.state, a.exact) for a in now] == [(AnchorState.moved, words)]


def test_a_question_on_a_clause_opens_a_thread(session: Session) -> None:
    visitor = make_visitor(session)
    words = pick_words(session)
    row = post(
        session,
        visitor,
        motivation="questioning",
        body={"value": "Who sets the base? It is not said."},
        target=[make_quote(words), "/calls/VMI_CPUID"],
        **{"review:severity": "blocking"},
    )
    thread = session.scalars(
        select(Thread).where(col(Thread.slug) == row.thread)
    ).one()
    assert thread.title == "Who sets the base? It is not said"
    assert (thread.kind, thread.severity) == ("question", "blocking")
    assert thread.state is ThreadState.open
    assert thread.quote is not None
    assert session.scalar(
        select(func.count()).where(col(ThreadCall.thread_id) == thread.id)
    )
    assert row.position == annotations.OPENER
    assert list_anchors(session, row.id) == []
    assert get_last_entry(session).type == "thread.opened"
    shown = document.read_document(session)
    section = get_section(session)
    beside = next(s for s in shown.sections if s.id == section.id).remarks
    assert row.thread in [remark.thread.slug for remark in beside]
    changed = annotation_changes.replace_text(
        session, visitor, row.id, "Who *does*?"
    )
    session.refresh(thread)
    assert changed.document["body"]["format"] == "text/markdown"
    assert thread.summary_html == "<p>Who <em>does</em>?</p>\n"
    annotation_changes.delete_annotation(session, visitor, row.id)
    session.refresh(thread)
    assert not thread.summary
    assert not thread.quote


def test_whether_a_thread_opens_can_be_said(session: Session) -> None:
    visitor = make_visitor(session)
    aim = make_quote(pick_words(session))
    asked = {"motivation": "assessing", "target": aim}
    no = post(session, visitor, **asked, **{"review:opensThread": False})
    assert no.thread is None
    yes = post(
        session,
        visitor,
        target=aim,
        **{"review:opensThread": True, "review:title": "Praise to it"},
    )
    assert yes.thread == "ada-praise-to-it"
    with pytest.raises(InvalidError):
        post(
            session,
            visitor,
            target="http://example.org/",
            **{"review:opensThread": True},
        )


def test_a_post_on_a_thread_or_a_post_is_a_reply(session: Session) -> None:
    visitor = make_visitor(session)
    thread = session.scalars(
        select(Thread).where(col(Thread.slug) == THREAD)
    ).one()
    thread.state = ThreadState.unanswered
    first = post(session, visitor, target=f"/threads/{THREAD}")
    session.refresh(thread)
    assert thread.state is ThreadState.open
    second = post(
        session,
        visitor,
        motivation="replying",
        target=f"/annotations/{first.id}",
    )
    assert (second.thread, second.parent) == (THREAD, first.id)
    assert second.position == first.position + 1
    with pytest.raises(ConflictError):
        annotation_changes.replace_annotation(
            session, visitor, first.id, make_document()
        )
    with pytest.raises(ConflictError):
        annotation_changes.replace_annotation(
            session,
            visitor,
            first.id,
            make_document(target=f"/annotations/{second.id}"),
        )
    annotation_changes.delete_annotation(session, visitor, first.id)
    posts = annotations.list_posts(session, thread.id or 0)
    assert [p.id for p in posts[-2:]] == [first.id, second.id]
    assert posts[-2].text == ""


def test_a_reply_to_a_remark_stands_beside_it(session: Session) -> None:
    visitor = make_visitor(session)
    remark = post(session, visitor, target=make_quote(pick_words(session)))
    reply = post(session, visitor, target=f"/annotations/{remark.id}")
    assert reply.parent == remark.id
    one, other = (
        list_anchors(session, id_)[0] for id_ in (remark.id, reply.id)
    )
    assert (one.section_id, one.start) == (other.section_id, other.start)


def test_another_target_moves_an_annotation(session: Session) -> None:
    visitor = make_visitor(session)
    row = post(session, visitor, target=make_quote(pick_words(session)))
    moved = annotation_changes.replace_annotation(
        session,
        visitor,
        row.id,
        make_document(target=make_quote(pick_words(session, 14, 22))),
    )
    assert moved.version == 2
    anchor = list_anchors(session, row.id)[0]
    assert anchor.exact.split() == pick_words(session, 14, 22).split()
    away = annotation_changes.replace_annotation(
        session, visitor, row.id, make_document(target="http://example.org/")
    )
    assert away.source == "http://example.org/"
    assert list_anchors(session, row.id) == []


def test_only_its_author_changes_it_and_an_editor_says_why(
    session: Session,
) -> None:
    ada = make_visitor(session)
    row = post(session, ada, body={"value": "x", "purpose": "tagging"})
    other = make_visitor(session, "bob")
    editor = make_visitor(session, "ed", Role.editor)
    for visitor in (other, editor):
        with pytest.raises(ForbiddenError):
            annotation_changes.replace_text(session, visitor, row.id, "no")
    with pytest.raises(ForbiddenError):
        annotation_changes.delete_annotation(session, other, row.id)
    with pytest.raises(InvalidError):
        annotation_changes.delete_annotation(session, editor, row.id)
    with pytest.raises(PreconditionError):
        annotation_changes.delete_annotation(session, ada, row.id, version=7)
    assert annotation_rows.list_tags(session, [row.id]) == {row.id: ["x"]}
    annotation_changes.delete_annotation(
        session, editor, row.id, reason="spam"
    )
    buried = session.get_one(Annotation, row.id)
    assert buried.document == {
        "id": f"/annotations/{row.id}",
        "type": "Annotation",
    }
    assert (buried.text, buried.html) == ("", "")
    assert not session.scalar(select(func.count(col(AnnotationTag.tag))))
    with pytest.raises(GoneError):
        annotation_changes.replace_text(session, ada, row.id, "again")


def test_html_is_sanitised_and_plain_text_is_escaped(session: Session) -> None:
    visitor = make_visitor(session)
    row = post(
        session,
        visitor,
        body=[
            {
                "value": "<p onclick=x()>Yes<script>alert(1)</script></p>",
                "format": "text/html",
            },
            {"value": "<b>&\nline"},
            "javascript:alert(1)",
        ],
    )
    assert row.html == (
        "<p>Yes</p><p>&lt;b&gt;&amp;<br>line</p>"
        '<p><a rel="nofollow ugc noopener">javascript:alert(1)</a></p>'
    )
    assert row.text == "Yes\n\n<b>&\nline"


def test_what_is_refused_changes_nothing(session: Session) -> None:
    w3c.need_samples()
    visitor = make_visitor(session)
    before = annotation_rows.count_annotations(session)
    seq = get_last_entry(session).seq
    with pytest.raises(MalformedError):
        post(session, visitor, created="yesterday")
    assert annotation_rows.count_annotations(session) == before
    assert get_last_entry(session).seq == seq


def test_all_that_is_said_is_emitted_by_the_rules(session: Session) -> None:
    """The corpus, mails and the web: each remark is an annotation."""
    w3c.need_samples()
    visitor = make_visitor(session)
    threads.open_thread(
        session,
        visitor,
        threads.NewThread(
            title="Why",
            kind=ThreadKind.question,
            severity=Severity.nit,
            text="Because?",
            section=get_section(session).anchor,
            quote=pick_words(session),
        ),
    )
    annotations.reply(session, visitor, THREAD, "No, because.")
    said = 0
    for row in annotation_rows.list_annotations(session):
        emitted = annotation_rows.absolutize(row.document, SITE)
        assert w3c.list_broken_rules(emitted) == [], row.id
        assert row.source
        said += 1
    opened = session.scalar(select(func.count(col(Thread.id)))) or 0
    openers = session.scalar(
        select(func.count()).where(
            col(Annotation.position) == annotations.OPENER,
            col(Annotation.thread_id).is_not(None),
        )
    )
    assert openers == opened
    assert said > opened


def test_an_older_database_is_filled_once(session: Session) -> None:
    opener = annotation_rows.list_annotations(session, Wanted(thread=THREAD))[
        0
    ]
    session.delete(session.get_one(Annotation, opener.id))
    reply = session.scalars(
        select(Annotation).where(col(Annotation.source).startswith("/thr"))
    ).first()
    assert reply is not None
    source, reply.source = reply.source, ""
    session.flush()
    annotation_filling.fill_openers(session)
    annotation_filling.fill_sources(session)
    assert annotation_rows.get_annotation(session, opener.id) == opener
    assert reply.source == source


def test_lists_are_narrowed_and_go_on_where_they_stopped(
    session: Session,
) -> None:
    visitor = make_visitor(session)
    made = [
        post(
            session,
            visitor,
            motivation="highlighting",
            body={"value": "odd", "purpose": "tagging"},
        )
        for _ in range(3)
    ]
    wanted = Wanted(reviewer="ada", tags=["odd"])
    first = annotation_rows.list_annotations(session, wanted, limit=2)
    rest = annotation_rows.list_annotations(
        session, wanted, after=annotation_rows.get_place(first[-1])
    )
    assert [row.id for row in first + rest] == [row.id for row in made]
    assert annotation_rows.count_annotations(session, wanted) == 3
    backwards = annotation_rows.list_annotations(
        session, wanted, is_newest_first=True
    )
    assert backwards == (first + rest)[::-1]
