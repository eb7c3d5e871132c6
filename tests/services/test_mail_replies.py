"""A thread, an annotation and a mail as the mail that answers."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Annotation, Revision, Severity, Thread, ThreadKind
from app.services import annotations, message_bytes, messages, threads
from app.services.mail_replies import (
    Exporter,
    make_annotation_reply,
    make_message_reply,
    make_thread_mails,
    make_thread_reply,
)
from app.services.reply_sources import (
    AnsweredMail,
    find_said,
    list_recipients,
    split_said,
)
from app.services.reviewers import Visitor
from app.services.threads import NewThread
from tests.factories import make_visitor

AT = datetime(2026, 11, 22, 16, 20, tzinfo=UTC)
THREAD = "kleen-sti-shadow"
KLEEN = "200603222105.58912.ak@suse.de"
RFC = "200603131759.k2DHxeep005627@zach-dev.vmware.com"
WRIGHT = "20060322213435.GI15997@sorel.sous-sol.org"


@pytest.fixture
def _mails(session: Session, shared: Path) -> None:
    for file in sorted((shared / "mail").glob("*.eml")):
        messages.import_message(session, file.read_bytes())


def make_exporter(visitor: Visitor | None = None) -> Exporter:
    """Return who takes mails out of a review at example.org."""
    return Exporter(visitor, "https://review.example.org/", AT)


@pytest.mark.usefixtures("_mails")
def test_a_mail_is_answered_below_its_paragraphs(session: Session) -> None:
    """Its own words are quoted, at most five lines each, not the quotes."""
    visitor = make_visitor(session)
    mail = make_message_reply(session, make_exporter(visitor), WRIGHT)
    assert mail.parent == WRIGHT
    assert mail.references[-2:] == (KLEEN, WRIGHT)
    assert mail.subject == "Re: [RFC, PATCH 1/24] i386 Vmi documentation"
    assert mail.sender == ("ada", "ada@review.example.org")
    assert mail.to == [("Chris Wright", "chrisw@sous-sol.org")]
    assert ("Xen-devel", "xen-devel@lists.xensource.com") in mail.cc
    lines = mail.body.splitlines()
    assert lines[0] == "On 2006-03-22 21:34 UTC, Chris Wright wrote:"
    assert lines[1] == (
        "> Yeah, it requires guest kernel cooperation/modification."
    )
    assert not any(line.startswith("> >") for line in lines)
    assert lines[-1] == f"Link: https://review.example.org/m/{WRIGHT}/"
    assert mail.permalink == f"https://review.example.org/m/{WRIGHT}/"


@pytest.mark.usefixtures("_mails")
def test_a_reader_without_a_name_gets_no_address(session: Session) -> None:
    mail = make_message_reply(session, make_exporter(), WRIGHT)
    assert (mail.to, mail.cc) == ([], [])
    assert mail.sender.address == "vmi-review@review.example.org"
    assert "@suse.de" not in mail.body.replace(KLEEN, "")
    assert mail.parent == WRIGHT


@pytest.mark.usefixtures("_mails")
def test_what_was_written_on_a_thread_answers_the_mail_that_opened_it(
    session: Session,
) -> None:
    """The mail's own words are quoted, never those that restate them."""
    ada, eve = make_visitor(session), make_visitor(session, "eve")
    first = annotations.reply(session, ada, THREAD, "No window **here**.")
    annotations.reply(session, eve, THREAD, "Why?\n\nNAKed-by: eve", first.id)
    mail = make_thread_reply(session, make_exporter(ada), THREAD)
    assert mail.references == (RFC, KLEEN)
    assert mail.to == [("Andi Kleen", "ak@suse.de")]
    assert mail.permalink == f"https://review.example.org/threads/{THREAD}"
    said, _, rest = mail.body.partition("\n\n")
    kleen = message_bytes.read_raw(session, KLEEN).decode()
    attribution, *quoted = said.splitlines()
    assert attribution == "On 2006-03-22 20:05 UTC, Andi Kleen wrote:"
    assert quoted
    for line in quoted:
        assert line.removeprefix("> ") in kleen
    before, _, after = rest.partition("eve, ")
    assert before == "No window **here**.\n\n"
    assert after.endswith(
        f"UTC:\n\nWhy?\n\nNAKed-by: eve\nLink: {mail.permalink}\n"
    )


@pytest.mark.usefixtures("_mails")
def test_each_post_is_a_mail_that_answers_the_one_it_answered(
    session: Session,
) -> None:
    """Under the id of the annotation, so that it is known when it returns."""
    ada = make_visitor(session)
    first = annotations.reply(session, ada, THREAD, "One.")
    second = annotations.reply(session, ada, THREAD, "Two.", first.id)
    mails = make_thread_mails(session, make_exporter(ada), THREAD)
    one, two = (f"{post.id}@review.example.org" for post in (first, second))
    assert [mail.message_id for mail in mails] == [one, two]
    assert [mail.references for mail in mails] == [
        (RFC, KLEEN),
        (RFC, KLEEN, one),
    ]
    assert mails[1].sent_at == second.created_at
    assert mails[1].permalink.endswith(f"/threads/{THREAD}#post-{second.id}")
    assert mails[1].body.startswith("ada wrote (")
    assert "> One.\n\nTwo.\n" in mails[1].body


def test_a_thread_without_posts_is_one_mail_to_write_on(
    session: Session,
) -> None:
    """Nothing is quoted as said where the mail never came."""
    (mail,) = make_thread_mails(session, make_exporter(), THREAD)
    title = session.scalar(
        select(col(Thread.title)).where(col(Thread.slug) == THREAD)
    )
    assert mail.subject == f"Re: {title}"
    assert mail.references == (RFC, KLEEN)
    assert mail.body.startswith(f"On “{title}”:\n")
    assert "\n>" not in mail.body


def _open(session: Session, visitor: Visitor) -> str:
    return threads.open_thread(
        session,
        visitor,
        NewThread(
            title="A word too many",
            kind=ThreadKind.question,
            severity=Severity.nit,
            text="Why is it *there*?",
            calls=("VMI_CPUID",),
        ),
    )


def test_a_thread_opened_here_begins_a_conversation(session: Session) -> None:
    """Its opener is a mail of its own, and its posts answer that."""
    ada, eve = make_visitor(session), make_visitor(session, "eve")
    slug = _open(session, ada)
    annotations.reply(session, eve, slug, "It was always there.")
    mails = make_thread_mails(session, make_exporter(ada), slug)
    assert mails[0].subject == "A word too many"
    assert mails[0].references == ()
    assert mails[0].body.startswith("Why is it *there*?\n")
    assert mails[0].permalink.endswith(f"/threads/{slug}#opener")
    assert mails[1].subject == "Re: A word too many"
    assert mails[1].references == (mails[0].message_id,)
    assert "> Why is it *there*?\n" in mails[1].body
    whole = make_thread_reply(session, make_exporter(ada), slug)
    assert whole.references == ()
    assert "Why is it *there*?" in whole.body
    assert "It was always there." in whole.body


@pytest.mark.usefixtures("_mails")
def test_a_thread_opened_here_answers_the_mail_of_the_document(
    session: Session,
) -> None:
    """If the revision under review was made from one."""
    session.execute(update(Revision).values(message_ids=[WRIGHT]))
    ada = make_visitor(session)
    slug = _open(session, ada)
    (mail,) = make_thread_mails(session, make_exporter(ada), slug)
    assert mail.parent == WRIGHT
    assert (
        make_thread_reply(session, make_exporter(ada), slug).parent == WRIGHT
    )


@pytest.mark.usefixtures("_mails")
def test_what_came_by_mail_is_answered_under_its_words(
    session: Session,
) -> None:
    """A post that restates a mail quotes the mail's paragraph."""
    row = session.execute(
        select(col(Annotation.id), col(Annotation.message_id)).where(
            col(Annotation.message_id) == WRIGHT
        )
    ).first()
    assert row is not None
    mail = make_annotation_reply(session, make_exporter(), row[0])
    assert mail.parent == WRIGHT
    wright = message_bytes.read_raw(session, WRIGHT).decode()
    quoted = [
        line.removeprefix("> ")
        for line in mail.body.splitlines()
        if line.startswith("> ")
    ]
    assert quoted
    assert all(line in wright for line in quoted)


def test_what_there_is_not_cannot_be_answered(session: Session) -> None:
    for make in (make_thread_reply, make_annotation_reply, make_message_reply):
        with pytest.raises(NotFoundError):
            make(session, make_exporter(), "nothing")


def test_recipients_are_read_before_their_names_are_decoded(
    session: Session,
) -> None:
    """An encoded comma adds nobody; Reply-To counts; nobody comes twice."""
    raw = (
        b"From: =?utf-8?q?eve=40evil.example,?= <ada@example.org>\n"
        b"Reply-To: list@example.org\n"
        b"To: LIST@example.org, undisclosed-recipients:;, <bob@example.org>\n"
        b"Cc: <not an address>, =?utf-8?q?S=C3=B8ren?= <s@example.org>\n"
        b"Message-ID: <1@example.org>\n\nhello\n"
    )
    messages.import_message(session, raw)
    mail = AnsweredMail("1@example.org", is_stored=True)
    assert list_recipients(session, mail) == (
        [("", "list@example.org")],
        [("", "bob@example.org"), ("Søren", "s@example.org")],
    )
    assert list_recipients(session, AnsweredMail("x")) == ([], [])


def test_the_senders_own_words_are_told_from_quotes_and_attributions() -> None:
    body = (
        "On Monday, Ada wrote:\n> a\n\none\ntwo\n \nthree\n> b\nfour\n\n"
        "He said: yes\n> +c\n+\n+\n\nfive\n+\n> d\n"
    )
    assert split_said(body) == [
        *("one\ntwo", "three", "four", "He said: yes", "five"),
    ]


def test_the_paragraph_that_a_text_restates_is_found_or_none() -> None:
    body = (
        "The page table is flushed twice when a context switch happens.\n\n"
        "CPUID cannot be intercepted without hardware help.\n"
    )
    assert find_said(body, "asks how CPUID can be intercepted") == (
        "CPUID cannot be intercepted without hardware help."
    )
    assert find_said(body, "zebras") == ""
    assert find_said("", "zebras") == ""
