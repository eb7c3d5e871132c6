"""The review at a glance."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.db import Database
from app.models import Thread, ThreadState
from app.services import annotations, entries, home, sessions
from app.services.home import Overview
from tests import factories

AUTHORS = ["Zachary Amsden", "Daniel Arai", "Daniel Hecht"]
UNANSWERED = "kleen-sti-pairs-belong-in-spec"


def read(session: Session) -> Overview:
    """Return the overview as the page asks for it."""
    return home.read_overview(session, AUTHORS)


@pytest.fixture
def overview(session: Session) -> Overview:
    return read(session)


def find_turn(overview: Overview, slug: str) -> str | None:
    """Return whose turn it is on a thread."""
    [name] = [
        turn.name
        for turn in overview.turns
        for thread in turn.threads
        if thread.slug == slug
    ]
    return name


def test_the_line_of_state_counts_every_thread(overview: Overview) -> None:
    assert overview.counts == {
        "conceded": 13,
        "answered": 39,
        "disputed": 13,
        "open": 23,
    }
    assert overview.total == 88


def test_the_page_takes_three_queries(
    session: Session, statements: list[str]
) -> None:
    home.read_overview(session, AUTHORS)
    assert len(statements) == 3


def test_the_map_holds_all_calls_by_group(overview: Overview) -> None:
    assert sum(len(calls) for calls in overview.groups.values()) == 94
    assert len(overview.groups) == 11


def test_what_blocks_is_not_settled(overview: Overview) -> None:
    assert overview.blocking
    for thread in overview.blocking:
        assert thread.severity == "blocking"
        assert not thread.is_settled


def test_after_an_author_it_is_the_openers_turn(session: Session) -> None:
    overview = read(session)
    assert overview.turns[0].name is None
    assert find_turn(overview, UNANSWERED) is None
    assert find_turn(overview, "zwane-iret-recursion") == "Zwane Mwaikambo"


def test_who_speaks_last_passes_the_turn_on(session: Session) -> None:
    visitor = factories.make_visitor(session)
    slug = "zwane-iret-recursion"
    annotations.reply(session, visitor, slug, "So it would.")
    assert find_turn(read(session), slug) is None


def test_what_is_put_off_or_settled_waits_for_nobody(
    session: Session,
) -> None:
    session.execute(
        update(Thread)
        .where(col(Thread.state) != ThreadState.conceded)
        .values(state=ThreadState.deferred)
    )
    assert read(session).turns == []


def test_the_latest_entry_comes_first(session: Session) -> None:
    visitor = factories.make_visitor(session)
    for number in range(10):
        annotations.reply(session, visitor, UNANSWERED, f"No {number}.")
    latest = read(session).latest
    assert len(latest) == home.LATEST
    assert latest[0].data["text"] == "No 9."
    assert latest[0].seq == entries.get_head(session).seq
    sessions.sign_in(session, visitor.id, days=1, means="test")
    assert read(session).latest == latest


def test_nothing_loaded_is_nothing_to_show(empty_database: Database) -> None:
    with empty_database.read() as session:
        overview = home.read_overview(session, ())
    assert overview.total == 0
    assert not overview.groups
    assert not overview.latest
