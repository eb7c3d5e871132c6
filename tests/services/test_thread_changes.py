"""Threads changed after they were opened, and the index that follows."""

import pytest
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import ConflictError, ForbiddenError, InvalidError
from app.models import Role, SearchItem, Severity, ThreadKind, ThreadState
from app.services import (
    annotations,
    corpus,
    search_index,
    thread_changes,
    thread_rows,
    threads,
)
from app.services.reviewers import Visitor
from app.services.thread_changes import Heading
from app.services.threads import NewThread
from tests import factories

CORPUS = "kleen-cpuid-notification"


def _open_thread(session: Session, visitor: Visitor) -> str:
    new = NewThread(
        title="Vague",
        kind=ThreadKind.objection,
        severity=Severity.concern,
        text="There is one.",
        calls=("VMI_Halt",),
    )
    return threads.open_thread(session, visitor, new)


def _read_index(session: Session) -> set[tuple[str, str, int]]:
    return {
        (item.kind.value, item.ref, item.digest)
        for item in session.query(SearchItem)
    }


def test_posts_are_found_by_the_new_title_of_their_thread(
    database: Database,
) -> None:
    with database.write() as session:
        ada = factories.make_visitor(session)
        slug = _open_thread(session, ada)
        annotations.reply(session, ada, slug, "Indeed.")
    with database.write() as session:
        thread_changes.change_thread(
            session,
            ada,
            slug,
            Heading(title="Exact", state=ThreadState.answered),
            text="There are two.",
        )
    with database.write() as session:
        followed = _read_index(session)
        search_index.rebuild(session)
        assert _read_index(session) == followed
        thread = thread_rows.get_thread(session, slug)
        assert (thread.title, thread.state, thread.summary) == (
            "Exact",
            ThreadState.answered,
            "There are two.",
        )


def test_only_who_opened_it_and_editors_change_a_thread(
    session: Session,
) -> None:
    ada = factories.make_visitor(session)
    bob = factories.make_visitor(session, "bob")
    ed = factories.make_visitor(session, "ed", Role.editor)
    slug = _open_thread(session, ada)
    heading = Heading(title="Exact")
    with pytest.raises(ForbiddenError):
        thread_changes.require_changeable(session, bob, slug)
    with pytest.raises(ForbiddenError):
        thread_changes.change_thread(session, bob, slug, heading, reason="x")
    with pytest.raises(InvalidError):
        thread_changes.change_thread(session, ed, slug, heading)
    with pytest.raises(ForbiddenError):
        thread_changes.change_thread(
            session, ed, slug, Heading(), text="theirs", reason="x"
        )
    thread_changes.change_thread(session, ed, slug, heading, reason="clearer")
    assert thread_rows.get_thread(session, slug).title == "Exact"


def test_the_corpus_loaded_again_keeps_what_an_editor_said(
    session: Session,
) -> None:
    ed = factories.make_visitor(session, "ed", Role.editor)
    for heading in (Heading(title="x"), Heading(severity=Severity.nit)):
        with pytest.raises(ConflictError):
            thread_changes.change_thread(
                session, ed, CORPUS, heading, reason="x"
            )
    thread_changes.change_thread(
        session,
        ed,
        CORPUS,
        Heading(state=ThreadState.conceded),
        reason="the author did",
    )
    corpus.load_corpus(session)
    thread = thread_rows.get_thread(session, CORPUS)
    assert (thread.state, thread.outcome) == (
        ThreadState.conceded,
        ThreadState.disputed,
    )
