"""Answers by mail: a thread, an annotation or a mail, as the mail to send.

What a reviewer wrote here becomes a mail under the id of its annotation, in
answer to the mail, or to the words, that it answers; of what came by mail
the answer begins with its quotation. Whoever has no name here gets neither
addresses nor recipients.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import uuid_utils
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import Thread
from app.services.mail_writing import (
    Address,
    OutgoingMail,
    Part,
    make_host,
    make_subject,
    put_on_line,
    write_body,
)
from app.services.quotation import mask_addresses
from app.services.remarks import read_name
from app.services.reply_sources import (
    AnsweredMail,
    Opening,
    SpokenPost,
    find_clause,
    find_document_mail,
    find_mail,
    find_opening,
    find_said,
    get_post,
    list_recipients,
    split_said,
)
from app.services.reviewers import Visitor

MOST_PARTS = 40
PROGRAM = "vmi-review"
SAFE = "@:+=~$!"  # of an id in an address; a slash is quoted

_LOCAL = re.compile(r"[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,30})?")


@dataclass(frozen=True, slots=True)
class Exporter:
    """Who takes a mail out, when, and where this review is."""

    visitor: Visitor | None
    base_url: str
    at: datetime

    @property
    def host(self) -> str:
        """Return the host that ids name."""
        return make_host(urlsplit(self.base_url).hostname)

    @property
    def sender(self) -> Address:
        """Return whom the mail is from; a mail program replaces it."""
        if self.visitor is None:
            return Address(PROGRAM, f"{PROGRAM}@{self.host}")
        name = self.visitor.name
        local = name if _LOCAL.fullmatch(name) else "reviewer"
        return Address(self.visitor.display_name, f"{local}@{self.host}")

    def show(self, text: str) -> str:
        """Return a text of a mail as this reader may see it."""
        return mask_addresses(text) if self.visitor is None else text

    def make_id(self, annotation: str | None = None) -> str:
        """Return the id of an annotation's mail, or a new one."""
        return f"{annotation or uuid_utils.uuid7()}@{self.host}"


@dataclass(frozen=True, slots=True)
class _Trail:
    """The mails above an answer: the last that came, and all ids."""

    mail: AnsweredMail | None
    ids: tuple[str, ...]


def make_message_reply(
    session: Session, exporter: Exporter, message_id: str
) -> OutgoingMail:
    """Return the answer to a mail that is stored here: its quotation."""
    mail = find_mail(session, message_id)
    if mail is None or not mail.is_stored:
        raise NotFoundError("mail", message_id)
    said = split_said(mail.body)[:MOST_PARTS] or [""]
    parts = [Part("", exporter.show(text), "") for text in said]
    parts[0] = parts[0]._replace(attribution=_attribute(mail))
    return _make(
        session,
        exporter,
        _trace_mail(mail),
        f"/m/{quote(message_id, safe=SAFE)}/",
        parts,
    )


def make_thread_reply(
    session: Session, exporter: Exporter, slug: str
) -> OutgoingMail:
    """Return all that reviewers wrote on a thread as one answer.

    It answers the mail that opened the thread; what each post answers is
    quoted before it.
    """
    opening = _get_opening(session, slug)
    parts = [_quote_opening(exporter, opening)]
    said_last = opening.first
    if opening.first:
        said = _say(exporter, opening.first)
        parts[0] = parts[0]._replace(answer=said)
    for post in opening.posts:
        if not post.is_web or post == opening.first:
            continue
        above = _get_above(opening, post)
        if above is None and not parts[-1].answer:
            answered = parts.pop()
        elif above is not None and above == said_last:
            answered = Part("", "", "")  # its words stand just above
        else:
            answered = _quote(session, exporter, opening, above)
        parts.append(answered._replace(answer=_say(exporter, post)))
        said_last = post
    trail = _trace(session, exporter, opening, None)
    if opening.first:
        trail = _trace_mail(find_document_mail(session))
    return _make(
        session,
        exporter,
        trail,
        f"/threads/{slug}",
        parts,
        title=opening.title,
    )


def make_thread_mails(
    session: Session, exporter: Exporter, slug: str
) -> list[OutgoingMail]:
    """Return what reviewers wrote on a thread, a mail each.

    Where they wrote nothing it is the one mail that answers the thread.
    """
    opening = _get_opening(session, slug)
    mails = [
        _make_post_mail(session, exporter, opening, post)
        for post in opening.posts
        if post.is_web
    ]
    return mails or [make_thread_reply(session, exporter, slug)]


def make_annotation_reply(
    session: Session, exporter: Exporter, annotation_id: str
) -> OutgoingMail:
    """Return an annotation as a mail, or the answer to one from a mail."""
    post = get_post(session, annotation_id)
    opening = find_opening(session, col(Thread.id) == post.thread_id)
    if post.is_web:
        return _make_post_mail(session, exporter, opening, post)
    place = _place(session, opening, post)
    parts = [_quote(session, exporter, opening, post)]
    trail = _trace(session, exporter, opening, post)
    title = opening.title if opening else ""
    return _make(session, exporter, trail, place, parts, title=title)


def _make_post_mail(
    session: Session,
    exporter: Exporter,
    opening: Opening | None,
    post: SpokenPost,
) -> OutgoingMail:
    if opening is None:
        clause = find_clause(session, post.id)
        quoted = Part(
            f"{clause.heading}:" if clause else "",
            clause.exact if clause else "",
            "",
            is_markdown=True,
        )
        trail = _trace_mail(find_document_mail(session))
        title = clause.heading if clause else "the document"
    elif post == opening.first:
        quoted = _quote_opening(exporter, opening)
        trail = _trace_mail(find_document_mail(session))
        title = opening.title
    else:
        above = _get_above(opening, post)
        quoted = _quote(session, exporter, opening, above)
        trail = _trace(session, exporter, opening, above)
        title = opening.title
    place = _place(session, opening, post)
    part = quoted._replace(answer=_say(exporter, post))
    made = _make(session, exporter, trail, place, [part], title=title)
    return replace(
        made,
        message_id=exporter.make_id(post.id),
        sent_at=post.created_at.astimezone(UTC),
    )


def _get_opening(session: Session, slug: str) -> Opening:
    opening = find_opening(session, col(Thread.slug) == slug)
    if opening is None:
        raise NotFoundError("thread", slug)
    return opening


def _get_above(opening: Opening, post: SpokenPost) -> SpokenPost | None:
    """Return the post that is answered; None is what opened the thread."""
    return next((p for p in opening.posts if p.id == post.parent), None)


def _trace_mail(mail: AnsweredMail | None) -> _Trail:
    if mail is None:
        return _Trail(None, ())
    return _Trail(mail, (*mail.references, mail.message_id))


def _trace(
    session: Session,
    exporter: Exporter,
    opening: Opening | None,
    post: SpokenPost | None,
) -> _Trail:
    """Return what is above an answer to `post`, or to the thread itself."""
    ids: list[str] = []
    while post is not None and post.is_web:
        ids.append(exporter.make_id(post.id))
        post = _get_above(opening, post) if opening else None
    if post is not None:
        trail = _trace_mail(find_mail(session, post.message_id))
    elif opening is None or opening.mail is None:
        trail = _trace_mail(find_document_mail(session))
        if opening and opening.first:
            first = exporter.make_id(opening.first.id)
            ids += [first] * (first not in ids)
    else:
        trail = _trace_mail(opening.mail)
    return replace(trail, ids=(*trail.ids, *reversed(ids)))


def _place(session: Session, opening: Opening | None, post: SpokenPost) -> str:
    if opening is not None:
        name = "opener" if post == opening.first else f"post-{post.id}"
        return f"/threads/{opening.slug}#{name}"
    clause = find_clause(session, post.id)
    if clause is not None:
        return f"/document/{clause.anchor}"
    return (
        f"/m/{quote(post.message_id, safe=SAFE)}/"
        if post.message_id
        else "/document/"
    )


def _quote(
    session: Session,
    exporter: Exporter,
    opening: Opening | None,
    post: SpokenPost | None,
) -> Part:
    """Return the quotation of a post, or of what opened the thread."""
    if post is None:
        if opening is None:
            return Part("", "", "")
        if opening.first:
            return _quote_here(opening.first)
        return _quote_opening(exporter, opening)
    if post.is_web:
        return _quote_here(post)
    mail = find_mail(session, post.message_id)
    words = post.text if post.is_literal else ""
    if mail is not None and mail.is_stored:
        words = words or find_said(mail.body, post.text)
    return _quote_mail(exporter, mail, words, opening, post.author)


def _quote_here(post: SpokenPost) -> Part:
    head = f"{put_on_line(post.author)} wrote ({post.created_at:%Y-%m-%d}):"
    return Part(head, post.text, "", is_markdown=True)


def _quote_opening(exporter: Exporter, opening: Opening) -> Part:
    if opening.mail is None:
        return Part("", opening.quote, "", is_markdown=True)
    words = find_said(opening.mail.body, f"{opening.title} {opening.summary}")
    return _quote_mail(exporter, opening.mail, words, opening, "")


def _quote_mail(
    exporter: Exporter,
    mail: AnsweredMail | None,
    words: str,
    opening: Opening | None,
    author: str,
) -> Part:
    if words and mail is not None and mail.is_stored:
        return Part(_attribute(mail), exporter.show(words), "")
    if words:
        return Part(f"{put_on_line(author)} wrote:", exporter.show(words), "")
    # nothing may be quoted as said that is only restated here
    title = put_on_line(opening.title) if opening else ""
    return Part(f"On “{title}”:" if title else "", "", "")


def _attribute(mail: AnsweredMail) -> str:
    name = put_on_line(read_name(mail.sender))
    if mail.sent_at is None:
        return f"{name} wrote:"
    return f"On {mail.sent_at:%Y-%m-%d %H:%M} UTC, {name} wrote:"


def _say(exporter: Exporter, post: SpokenPost) -> str:
    """Return what a post says, signed unless the sender says it."""
    if exporter.visitor and exporter.visitor.display_name == post.author:
        return post.text
    head = f"{put_on_line(post.author)}, {post.created_at:%Y-%m-%d %H:%M} UTC:"
    return f"{head}\n\n{post.text}"


def _make(  # noqa: PLR0913 - each is a part of the mail
    session: Session,
    exporter: Exporter,
    trail: _Trail,
    place: str,
    parts: list[Part],
    *,
    title: str = "",
) -> OutgoingMail:
    mail = trail.mail
    to: list[Address] = []
    cc: list[Address] = []
    if mail is not None and exporter.visitor is not None:
        to, cc = list_recipients(session, mail)
    permalink = f"{exporter.base_url.rstrip('/')}{place}"
    subject = exporter.show(mail.subject if mail and mail.subject else title)
    return OutgoingMail(
        message_id=exporter.make_id(),
        sender=exporter.sender,
        subject=make_subject(subject) if trail.ids else subject,
        sent_at=exporter.at,
        permalink=permalink,
        body=write_body(parts, permalink),
        references=trail.ids,
        to=to,
        cc=cc,
    )
