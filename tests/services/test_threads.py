"""Threads: opening them, and reading them in few queries."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import InvalidError, NotFoundError
from app.models import (
    Annotation,
    Entry,
    Section,
    Severity,
    Thread,
    ThreadKind,
    ThreadState,
)
from app.services import annotations, standings, thread_rows, threads
from app.services.thread_rows import SectionLink, Wanted
from app.services.threads import NewThread
from app.services.windows import Window
from tests.factories import make_visitor


def _make_new(**fields: object) -> NewThread:
    said: dict[str, object] = {
        "title": "A window",
        "kind": ThreadKind.objection,
        "severity": Severity.blocking,
        "text": "There is **one**.",
        "calls": ("VMI_Halt", "VMI_EnableInterrupts"),
    }
    return NewThread(**said | fields)  # type: ignore[arg-type]


def test_a_thread_on_calls_is_open_and_logged(session: Session) -> None:
    slug = threads.open_thread(session, make_visitor(session), _make_new())
    thread = thread_rows.get_thread(session, slug)
    assert slug == "ada-a-window"
    assert thread.state == ThreadState.open
    assert thread.outcome is None
    assert thread.opener == "ada"
    assert thread.calls == ("VMI_Halt", "VMI_EnableInterrupts")
    assert "<strong>one</strong>" in thread.summary_html
    entry = session.execute(
        select(Entry).order_by(col(Entry.seq).desc()).limit(1)
    ).scalar_one()
    assert (entry.type, entry.subject) == (
        "thread.opened",
        "thread:ada-a-window",
    )
    assert entry.data["text"] == "There is **one**."


def test_a_thread_on_a_passage_keeps_quote_and_place(
    session: Session,
) -> None:
    anchor, words = session.execute(
        select(col(Section.anchor), col(Section.html)).where(
            col(Section.number) == "2.11"
        )
    ).one()
    text = annotations.read_text(words)
    quote = " ".join(text.split()[3:9])
    slug = threads.open_thread(
        session,
        make_visitor(session),
        _make_new(calls=(), section=anchor, quote=f" {quote}\n"),
    )
    thread = thread_rows.get_thread(session, slug)
    assert thread.quote is not None
    assert thread.quote.split() == quote.split()
    assert [link.anchor for link in thread.sections] == [anchor]
    document = session.execute(
        select(col(Annotation.document)).where(
            col(Annotation.thread_id) == thread.id
        )
    ).scalar_one()
    assert document["motivation"] == "assessing"
    exact, place = document["target"]["selector"]["refinedBy"]
    assert text[place["start"] : place["end"]] == exact["exact"]


def test_the_opener_is_no_reply(session: Session) -> None:
    slug = threads.open_thread(session, make_visitor(session), _make_new())
    thread = thread_rows.get_thread(session, slug)
    assert annotations.list_posts(session, thread.id) == []
    row = thread_rows.list_by_position(
        session, Wanted(reviewer="ada"), Window(limit=9)
    )
    assert [r.replies for r in row] == [0]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"calls": ()}, "/section"),
        ({"calls": ("VMI_Nothing",)}, "/calls"),
        ({"calls": tuple(f"c{n}" for n in range(30))}, "/calls"),
        ({"section": "no-such-section"}, "/section"),
        ({"quote": "words of no section"}, "/quote"),
        (
            {"section": "local-apic-support", "quote": "words of none"},
            "/quote",
        ),
    ],
)
def test_a_thread_speaks_of_what_there_is(
    session: Session, fields: dict[str, object], pointer: str
) -> None:
    ada = make_visitor(session)
    count = select(func.count()).select_from(Thread)
    before = session.execute(count).scalar_one()
    with pytest.raises(InvalidError) as refused:
        threads.open_thread(session, ada, _make_new(**fields))
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    assert session.execute(count).scalar_one() == before


def test_equal_titles_have_slugs_of_their_own(session: Session) -> None:
    ada = make_visitor(session)
    slugs = [
        threads.open_thread(session, ada, _make_new(title="Ünïcode?! 💥"))
        for _ in range(3)
    ]
    assert slugs == ["ada-unicode", "ada-unicode-2", "ada-unicode-3"]


def test_every_thread_of_the_review_can_be_read(session: Session) -> None:
    rows = thread_rows.list_by_weight(session, Wanted(), limit=500)
    assert len(rows) == 88
    for row in rows:
        thread = thread_rows.get_thread(session, row.slug)
        assert thread.calls == row.calls
        assert thread.opener == row.opener
        posts = annotations.list_posts(session, thread.id)
        assert len(posts) == row.replies
    with pytest.raises(NotFoundError):
        thread_rows.get_thread(session, "nothing")


def test_threads_are_listed_by_weight_then_date(session: Session) -> None:
    rows = thread_rows.list_by_weight(session, Wanted(), limit=500)
    ranks = [
        (
            row.state in standings.SETTLED,
            list(Severity).index(row.severity),
            row.opened_at,
        )
        for row in rows
    ]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), 88),
        (Wanted(reviewer="Andi Kleen"), 24),
        (Wanted(reviewer="andi-kleen"), 24),
        (Wanted(reviewer="kleen"), 24),
        (Wanted(reviewer="leen"), 0),
        (Wanted(reviewer="%"), 0),
        (Wanted(kind=ThreadKind.praise), 4),
        (Wanted(state=ThreadState.conceded), 13),
        (Wanted(call="VMI_Nothing"), 0),
        (Wanted(reviewer="kleen", kind=ThreadKind.praise), 0),
    ],
)
def test_each_filter_narrows(
    session: Session, wanted: Wanted, count: int
) -> None:
    rows = thread_rows.list_by_weight(session, wanted, limit=500)
    assert len(rows) == count
    assert thread_rows.count_threads(session, wanted) == count


def test_a_call_or_a_section_names_its_threads(session: Session) -> None:
    for row in thread_rows.list_by_weight(
        session, Wanted(call="VMI_CPUID"), limit=500
    ):
        assert "VMI_CPUID" in row.calls
    thread = thread_rows.get_thread(session, "kleen-watchdog-nmi")
    (section,) = thread.sections
    assert section == SectionLink(
        section.anchor, "2.11", "Local APIC support", None
    )
    within = Wanted(section=section.anchor)
    slugs = [
        row.slug
        for row in thread_rows.list_by_weight(session, within, limit=500)
    ]
    assert "kleen-watchdog-nmi" in slugs


def test_walking_by_position_gives_each_thread_once(session: Session) -> None:
    seen: list[str] = []
    after = 0
    while rows := thread_rows.list_by_position(
        session, Wanted(), Window(above=after, limit=10)
    ):
        seen += [row.slug for row in rows]
        after = rows[-1].position
    assert len(seen) == len(set(seen)) == 88


def test_facets_count_all_threads(session: Session) -> None:
    facets = thread_rows.count_facets(session)
    assert facets.total == 88
    assert facets.reviewers["Chris Wright"] == 28
    assert facets.states["disputed"] == 13
    for counts in facets[1:]:
        assert isinstance(counts, dict)
        assert sum(counts.values()) == 88


def test_lists_and_a_thread_take_few_queries(
    session: Session, statements: list[str]
) -> None:
    statements.clear()
    thread_rows.list_by_weight(session, Wanted(), limit=500)
    assert len(statements) == 2
    statements.clear()
    thread = thread_rows.get_thread(session, "kleen-cpuid-notification")
    annotations.list_posts(session, thread.id)
    assert len(statements) == 3
