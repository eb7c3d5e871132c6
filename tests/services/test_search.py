"""Search on both engines: the same queries find the same."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import InvalidError
from app.models import SearchKind
from app.services import messages, search_index
from app.services.search import (
    MOST_FOUND,
    Found,
    Order,
    Wanted,
    choose_order,
    search,
)
from tests.conftest import PostgresCopies, SQLiteCopies

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MAIL = """\
From: {sender}
To: zach@example.com
Cc: linux-kernel@example.org
Subject: {subject}
Date: {date}
Message-ID: <{id}>
List-Id: <virtualization.lists.example.org>

{body}
"""
MAILS = (
    {
        "sender": "Andi Kleen <ak@example.org>",
        "subject": "[PATCH 1/2] EFLAGS.IF and 0x1234",
        "date": "Wed, 22 Mar 2006 20:05:58 +0100",
        "id": "one.1@example.org",
        "body": "> the zyzzyva window\nIn arch/i386/kernel/vmi.c it is late.",
    },
    {
        "sender": "Jürgen Müller <jm@example.org>",
        "subject": "Re: EFLAGS.IF",
        "date": "Thu, 23 Mar 2006 20:05:58 +0100",
        "id": "two.2@example.org",
        "body": "> In arch/i386 it is late.\n"
        "A zyzzyva of mine.\nWrite to x@y.org",
    },
)


@pytest.fixture
def mails(session: Session) -> Session:
    """Return a session on a database that has two mails."""
    ids = [
        messages.import_message(session, MAIL.format(**mail).encode()).id or 0
        for mail in MAILS
    ]
    search_index.add_messages(session, ids)
    session.flush()
    search_index.catch_up(session)
    return session


def find(session: Session, text: str, **wanted: object) -> Found:
    """Return what a reader without name finds, all kinds newest first."""
    if "kind" not in wanted:
        wanted = {"order": Order.newest, **wanted}
    return search(
        session,
        Wanted(text=text, **wanted),  # type: ignore[arg-type]
        account=None,
        is_masked=True,
        now=NOW,
    )


def list_names(found: Found) -> list[str]:
    """Return the names of what was found, in order."""
    return [one.hit.name for one in found.hits]


ONE, TWO = "one.1@example.org", "two.2@example.org"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zyzzyva", [TWO, ONE]),
        ("nq:zyzzyva", [TWO]),
        ("q:zyzzyva", [ONE]),
        ("b:zyzzyva", [TWO, ONE]),
        ("s:zyzzyva", []),
        ("zyzzyva -late", []),
        ("zyzzyva -window", [TWO]),
        ('"zyzzyva window"', [ONE]),
        ('"window zyzzyva"', []),
        ("zyzz*", [TWO, ONE]),
        ("zyzzyva (window OR mine)", [TWO, ONE]),
        ("s:EFLAGS.IF is:mail", [TWO, ONE]),
        ("is:mail 0x1234", [ONE]),
        ("is:mail vmi.c", [ONE]),
        ("arch/i386/kernel/vmi.c", [ONE]),
        ("two.2@example.org", [TWO]),
        ("m:one.1@example.org", [ONE]),
        ("f:muller", [TWO]),
        ("f:Müller", [TWO]),
        ("reviewer:müller is:mail", [TWO]),
        ('reviewer:"andi kleen" is:mail', [ONE]),
        ("t:zach is:mail", [TWO, ONE]),
        ("c:linux-kernel", [TWO, ONE]),
        ("f:zach is:mail", []),
        ("tc:zach -f:andi", [TWO]),
        ("a:andi c:linux-kernel", [ONE]),
        ("l:virtualization.lists.example.org", [TWO, ONE]),
        ("l:virtual*", [TWO, ONE]),
        ("is:patch is:mail", [ONE]),
        ("is:reply is:mail", [TWO]),
        ("is:mail d:2006-03-23", [TWO]),
        ("is:mail d:..20060322", [ONE]),
        ("zyzzyva (d:20060323 OR window)", [TWO, ONE]),
        ("zyzzyva -d:20060323", [ONE]),
        ("is:mail -(zyzzyva d:20060323)", [ONE]),
        ("is:mail -zyzzyva", []),
        ("-(late OR -zyzzyva)", []),
        ("bs:zyzzyva bs:eflags", [TWO, ONE]),
    ],
)
def test_a_query_finds_the_same_on_each_engine(
    mails: Session, text: str, names: Sequence[str]
) -> None:
    if text == "is:reply is:mail":
        # whether a mail answers another is known once mails are linked
        assert set(list_names(find(mails, text))) <= {TWO}
        return
    assert list_names(find(mails, text)) == names


def test_the_review_is_searched_too(session: Session) -> None:
    """Of each kind something is found, and its counts say so."""
    found = find(session, "VMI_EnableInterrupts OR call:VMI_EnableInterrupts")
    assert set(found.counts) >= {
        SearchKind.thread,
        SearchKind.annotation,
        SearchKind.section,
        SearchKind.call,
        SearchKind.scenario,
    }
    assert found.total == sum(found.counts.values())
    for kind, count in found.counts.items():
        only = find(
            session,
            "VMI_EnableInterrupts OR call:VMI_EnableInterrupts",
            kind=kind,
            limit=MOST_FOUND,
        )
        assert {one.hit.kind for one in only.hits} == {kind}
        assert len(only.hits) == count == only.total


def test_what_is_named_so_is_best(session: Session) -> None:
    found = find(session, "VMI_SetCR3", order=Order.best)
    assert list_names(found)[0] == "VMI_SetCR3"
    assert found.hits[0].hit.kind is SearchKind.call
    assert (
        find(session, "VMI_SetCR3", kind=SearchKind.call).order is Order.best
    )


def test_mail_comes_newest_first_unless_asked_otherwise() -> None:
    assert choose_order(SearchKind.mail, 1) is Order.newest
    assert choose_order(SearchKind.section, MOST_FOUND) is Order.best


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("is:mail VMI", Order.newest),
        ("is:message VMI", Order.newest),
        ("VMI (is:post OR is:remark)", Order.newest),
        ("is:call VMI", Order.best),
        ("VMI", Order.best),
        ("VMI -is:mail", Order.best),
        ("VMI (is:mail OR is:call)", Order.best),
        ("VMI (is:mail OR late)", Order.best),
        ("is:mail", Order.newest),
    ],
)
def test_a_kind_of_the_query_has_the_order_of_its_page(
    session: Session, text: str, order: Order
) -> None:
    found = search(
        session, Wanted(text=text), account=None, is_masked=True, now=NOW
    )
    assert found.order is order


def test_of_all_kinds_the_best_comes_first_if_they_are_few(
    session: Session,
) -> None:
    assert choose_order(None, MOST_FOUND - 1) is Order.best
    assert choose_order(None, MOST_FOUND) is Order.newest
    found = search(
        session,
        Wanted(text="VMI_SetCR3"),
        account=None,
        is_masked=True,
    )
    assert found.order is Order.best
    assert found.hits[0].hit.name == "VMI_SetCR3"


def test_state_clause_and_reviewer_narrow_threads(session: Session) -> None:
    found = find(session, "is:thread is:blocking reviewer:kleen clause:4")
    assert found.hits
    assert {one.hit.kind for one in found.hits} == {SearchKind.thread}
    assert {one.who for one in found.hits} == {"Andi Kleen"}
    assert all("blocking" in one.hit.note for one in found.hits)


def test_pages_follow_one_another(session: Session) -> None:
    """No page repeats or loses what another shows, in either order."""
    for order in Order:
        whole = list_names(find(session, "is:call", order=order, limit=1000))
        pages = [
            find(session, "is:call", order=order, page=n, limit=30)
            for n in (1, 2, 3, 4)
        ]
        assert [name for page in pages for name in list_names(page)] == whole
        assert [page.has_more for page in pages] == [True, True, True, False]


def test_a_list_ends_after_a_thousand(session: Session) -> None:
    with pytest.raises(InvalidError, match="a list ends after 1,000"):
        find(session, "vmi", page=41)


def test_addresses_are_hidden_unless_signed_in(mails: Session) -> None:
    """Neither marks nor the choice of a snippet undo it."""
    wanted = Wanted(text="write mine")
    for is_masked in (True, False):
        found = search(mails, wanted, account=None, is_masked=is_masked)
        shown = "".join(part.text for part in found.hits[0].snippet)
        assert ("x@y.org" in shown) is not is_masked
        assert "jm@" not in found.hits[0].who


SECRET = (
    *("f:ak@example.org", "f:example.org", "f:example", "t:example.com"),
    *("t:zach@example.com", "tc:zach@example*", "a:ak@example.org"),
    *("c:linux-kernel@example.org", "x@y.org", "y.org", "b:y.org", "nq:y"),
    *('"x y org"', "s:example", '"ak example"'),
)


@pytest.mark.parametrize("text", SECRET)
def test_who_does_not_see_addresses_cannot_test_them(
    mails: Session, text: str
) -> None:
    """No query tells a reader without a name where mail goes to."""
    found = find(mails, f"is:mail {text}")
    assert list_names(found) == []
    assert found.total == 0


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("f:ak@example.org", [ONE]),
        ("f:example.org", [TWO, ONE]),
        ("f:ak@exam*", [ONE]),
        ("f:example.com", []),
        ("t:zach@example.com", [TWO, ONE]),
        ("a:example.com is:mail", [TWO, ONE]),
        ("c:linux-kernel@example.org", [TWO, ONE]),
        ("x@y.org", [TWO]),
        ("nq:y.org", [TWO]),
        ("q:y.org", []),
        ("-y.org is:mail", [ONE]),
    ],
)
def test_who_is_signed_in_finds_addresses(
    mails: Session, text: str, names: Sequence[str]
) -> None:
    wanted = Wanted(text=text, order=Order.newest)
    found = search(mails, wanted, account="ada", is_masked=False)
    assert list_names(found) == names


@pytest.mark.parametrize("text", ["att*", "call*", "rev*", "sender*", "mi*"])
def test_no_beginning_of_a_word_finds_a_fact(
    mails: Session, text: str
) -> None:
    found = find(mails, f"is:mail {text}")
    assert list_names(found) == ([TWO] if text == "mi*" else [])


def test_a_snippet_of_what_is_said_shows_no_quotation(
    mails: Session,
) -> None:
    (hit,) = find(mails, "nq:zyzzyva").hits
    assert "arch" not in "".join(part.text for part in hit.snippet)
    assert [part.text for part in hit.snippet if part.is_marked] == ["zyzzyva"]


def test_counts_stop_at_a_thousand(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.search.MOST_FOUND", 50)
    with database.read() as session:
        found = find(session, "vmi")
    assert found.counts[SearchKind.call] == 50
    assert 0 < found.counts[SearchKind.section] < 50
    assert found.total == 50


WORDS = ("vmi", "set*", '"interrupt flag"', "s:sti", "is:thread", "is:open")
MORE = ("d:2006-03-22..", "call:VMI_Halt", "clause:3", "f:kleen", "cpuid")
QUERIES = st.recursive(
    st.sampled_from(WORDS + MORE),
    lambda parts: st.one_of(
        parts.map("-({})".format),
        st.tuples(parts, parts).map(lambda two: f"({two[0]} {two[1]})"),
        st.tuples(parts, parts).map(lambda two: f"({two[0]} OR {two[1]})"),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def engines(
    sqlite_copies: SQLiteCopies, postgres_copies: PostgresCopies
) -> Iterator[Sequence[Database]]:
    """Return a database on each engine, with the same in it."""
    databases = [
        Database(copies.make("full"))
        for copies in (sqlite_copies, postgres_copies)
    ]
    yield databases
    for database in databases:
        database.close()


@settings(max_examples=60)
@given(query=QUERIES)
def test_any_query_finds_the_same_on_both_engines(
    engines: Sequence[Database], query: str
) -> None:
    """Whatever is nested how, SQLite and PostgreSQL agree on every item."""
    found = []
    for database in engines:
        with database.read() as session:
            whole = find(session, query, limit=MOST_FOUND)
        found.append(
            ({(o.hit.kind, o.hit.name) for o in whole.hits}, whole.counts)
        )
    assert found[0] == found[1]
