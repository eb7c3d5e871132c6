"""Quotes that wait: an editor says where they are from."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.identity import SESSION_COOKIE
from app.models import (
    Anchor,
    Annotation,
    Entry,
    Message,
    QuoteState,
    Role,
)
from app.services import aligning, quotes, reviewers, sessions
from app.services.importing import import_mails
from app.services.mailbox import RawMail
from app.services.quotes import QuoteRow
from app.services.reviewers import PROGRAM

QUOTING = b"""From: Ada <ada@example.org>
Subject: Re: the interface
Message-ID: <quoting@example.org>
Date: Mon, 13 Mar 2006 12:00:00 +0000

On Sunday, Charles wrote:
> I wonder about RDTSC and about RDPMC as well.

So do I.
"""
ANSWERING = b"""From: Charles <charles@example.org>
Subject: Re: the interface
Message-ID: <answering@example.org>
In-Reply-To: <quoting@example.org>
References: <quoting@example.org>
Date: Mon, 13 Mar 2006 13:00:00 +0000

Ada wrote:
> > I wonder about RDTSC and about RDPMC as well.
>
> So do I.

Then we are two.
"""

Post = Callable[..., int]


def align(database: Database) -> None:
    aligning.align_pending(database, lambda _done, _total: None)


def read_quotes(database: Database, message_id: str) -> list[QuoteRow]:
    with database.read() as session:
        row_id, body = session.execute(
            select(col(Message.id), col(Message.body)).where(
                col(Message.message_id) == message_id
            )
        ).one()
        return quotes.list_quotes(session, row_id or 0, body)


@pytest.fixture
def waiting(database: Database) -> QuoteRow:
    """Return a quote that may be about two calls, in an imported mail."""
    mails = [RawMail(QUOTING), RawMail(ANSWERING)]
    import_mails(database, mails, actor=PROGRAM)
    align(database)
    (quote,) = read_quotes(database, "quoting@example.org")
    return quote


def sign_in(database: Database, client: TestClient, role: Role) -> None:
    with database.write() as session:
        reviewer = reviewers.add_reviewer(session, "ada", role)
        secret = sessions.sign_in(
            session, reviewer.id or 0, days=1, means="test"
        )
    client.cookies.set(SESSION_COOKIE, secret, domain="testserver.local")
    client.headers["Sec-Fetch-Site"] = "same-origin"


@pytest.fixture
def post(database: Database, client: TestClient) -> Post:
    """Return how an editor answers a form; it gives the status."""
    sign_in(database, client, Role.editor)

    def send(quote: QuoteRow, action: str, **fields: str) -> int:
        address = f"/review/quotes/{quote.id}/{action}"
        return client.post(
            address, data=fields, follow_redirects=False
        ).status_code

    return send


def test_what_names_two_calls_waits_with_both(waiting: QuoteRow) -> None:
    """All candidates are kept, and none of two that are alike is chosen."""
    assert waiting.state == QuoteState.waiting
    assert waiting.section is None
    best = waiting.candidates[:2]
    assert {c.call for c in best} == {"VMI_RDTSC", "VMI_RDPMC"}


def test_weak_candidates_are_listed_behind(waiting: QuoteRow) -> None:
    """What shares only words is shown too, for a person to judge."""
    scores = [c.score for c in waiting.candidates]
    assert len(scores) > 2
    assert scores == sorted(scores, reverse=True)
    assert {c.method for c in waiting.candidates[2:]} <= {"words", "overlap"}
    assert scores[-1] <= 300


def test_decision_makes_the_answer_a_remark(
    database: Database, waiting: QuoteRow, post: Post
) -> None:
    """The reply under a quote becomes an annotation on the clause."""
    place = "processor-information-calls.VMI_RDTSC"
    assert post(waiting, "decide", place=place) == 303
    (quote,) = read_quotes(database, "quoting@example.org")
    assert quote.state == QuoteState.decided
    assert quote.section is not None
    assert (quote.section.anchor, quote.call) == tuple(place.split("."))
    with database.read() as session:
        text, message_id = session.execute(
            select(col(Annotation.text), col(Annotation.message_id)).where(
                col(Annotation.id) == quote.annotation_id
            )
        ).one()
        entry = session.execute(
            select(col(Entry.actor), col(Entry.data)).where(
                col(Entry.type) == "quote.decided"
            )
        ).one()
    assert (text, message_id) == ("So do I.", "quoting@example.org")
    assert entry[0] == "reviewer:ada"
    assert entry[1]["call"] == "VMI_RDTSC"
    assert entry[1]["annotation"] == quote.annotation_id


def test_decision_carries_over_to_the_answers(
    database: Database, waiting: QuoteRow, post: Post
) -> None:
    """What a mail's quote is from, the quote of that quote is from."""
    above = read_quotes(database, "answering@example.org")
    assert {quote.state for quote in above} == {QuoteState.waiting}
    place = "processor-information-calls.VMI_RDPMC"
    post(waiting, "decide", place=place)
    align(database)
    below = read_quotes(database, "answering@example.org")
    assert [quote.call for quote in below] == ["VMI_RDPMC", "VMI_RDPMC"]
    assert len({quote.annotation_id for quote in below}) == 1


def test_another_place_can_be_chosen(
    database: Database, waiting: QuoteRow, post: Post
) -> None:
    """The clause need not be among the candidates."""
    assert post(waiting, "decide", place="", section="appendix-b") == 303
    (quote,) = read_quotes(database, "quoting@example.org")
    assert quote.section is not None
    assert (quote.section.anchor, quote.call) == ("appendix-b", None)


def test_dismissed_quote_waits_no_more(
    database: Database, waiting: QuoteRow, post: Post
) -> None:
    """Once somebody says it is from no clause, it is not asked again."""
    assert post(waiting, "dismiss") == 303
    align(database)
    (quote,) = read_quotes(database, "quoting@example.org")
    assert quote.state == QuoteState.dismissed
    with database.read() as session:
        states = {
            q.state for q in read_quotes(database, "quoting@example.org")
        }
        types = session.scalars(select(col(Entry.type))).all()
    assert states == {QuoteState.dismissed}
    assert types.count("quote.dismissed") == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"place": "no-such-section"},
        {"place": "appendix-b.NO_CALL"},
        {"place": "two words"},
        {"section": "", "call": "VMI_RDTSC"},
        {},
    ],
)
def test_what_is_no_clause_is_refused(
    waiting: QuoteRow, post: Post, fields: dict[str, str]
) -> None:
    """A clause is a section of the document, with or without a call."""
    assert post(waiting, "decide", **fields) == 422


def test_decided_quote_stays(waiting: QuoteRow, post: Post) -> None:
    """A decision is not made twice, nor dismissed."""
    assert post(waiting, "decide", section="appendix-b") == 303
    assert post(waiting, "decide", section="appendix-c") == 409
    assert post(waiting, "dismiss") == 409


@pytest.mark.parametrize("action", ["decide", "dismiss"])
def test_only_an_editor_decides(
    database: Database, client: TestClient, waiting: QuoteRow, action: str
) -> None:
    """A reviewer may not say what a mail is about."""
    sign_in(database, client, Role.reviewer)
    answer = client.post(f"/review/quotes/{waiting.id}/{action}")
    assert answer.status_code == 403


def test_quote_that_is_none_is_not_found(
    waiting: QuoteRow, post: Post
) -> None:
    """An address without a quote answers 404."""
    assert waiting.id is not None
    gone = QuoteRow(
        id=waiting.id + 1000,
        block=waiting.block,
        state=None,
        section=None,
        call=None,
        annotation_id=None,
        candidates=(),
    )
    assert post(gone, "dismiss") == 404


def test_remark_stands_at_the_words_that_were_quoted(
    database: Database,
) -> None:
    """Where the clause has the quote's own words, these are its passage."""
    words = "The guest does not control the hardware interrupt flag"
    raw = f"From: Ada <a@b.example>\nMessage-ID: <w@x>\n\n> {words}\n\nWhy?\n"
    import_mails(database, [RawMail(raw.encode())], actor=PROGRAM)
    align(database)
    with database.read() as session:
        found = session.execute(
            select(col(Anchor.exact))
            .join(Annotation, col(Annotation.id) == col(Anchor.annotation_id))
            .where(col(Annotation.message_id) == "w@x")
        ).scalars()
        assert [" ".join(exact.split()) for exact in found] == [words]
