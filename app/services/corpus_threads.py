"""Threads of a corpus: what was objected in mails, and the answers.

A thread that a reviewer has answered keeps its words; only facts about it
(weight, targets, the question it asks) follow the file.
"""

import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import or_, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import CorpusError
from app.models import (
    Annotation,
    Decision,
    Evidence,
    Motivation,
    Thread,
    get_id,
)
from app.services import entries
from app.services.annotations import CONTEXT, OPENER, make_mid
from app.services.corpus_facts import OBJECTIONS, CorpusFacts
from app.services.corpus_records import (
    ObjectionRecord,
    ResponseRecord,
    split_reference,
)
from app.services.corpus_rows import (
    Ids,
    Values,
    require_all,
    update_row,
)
from app.services.markdown import render_markdown

POSTS = UUID("5f0bb5b6-5b0c-4e0a-9d52-7c2f6f3d8a10")  # posts' ids grow here
LONGEST_TITLE = 90


def store_threads(
    session: Session, proposal_id: int, facts: CorpusFacts, people: Ids
) -> Ids:
    """Store every thread with its posts; return their numbers by slug."""
    stored = {
        thread.slug: thread
        for thread in session.scalars(
            select(Thread).where(col(Thread.proposal_id) == proposal_id)
        )
    }
    theirs = {s: t for s, t in stored.items() if t.person_id is not None}
    slugs = [objection.id for objection in facts.objections]
    require_all(theirs, slugs, OBJECTIONS)
    answered = _find_answered(session)
    position = max((t.position for t in stored.values()), default=0)
    for record in facts.objections:
        thread = stored.get(record.id)
        if thread is None:
            position += 1
            thread = Thread(
                proposal_id=proposal_id,
                position=position,
                slug=record.id,
                state=record.outcome,
                **_get_words(record),
                **_get_facts(record, people),
            )
            stored[record.id] = thread
            session.add(thread)
            session.flush()
        elif thread.person_id is None:
            raise CorpusError(
                OBJECTIONS,
                "a reviewer's thread has this name",
                entry=record.id,
            )
        else:
            _update_thread(thread, record, people, answered)
        if get_id(thread) not in answered:
            _store_posts(session, thread, record, facts.parents, people)
    return {slug: get_id(stored[slug]) for slug in slugs}


def _find_answered(session: Session) -> set[int]:
    """Return the threads on which a reviewer has spoken or decided.

    Those too of which something was deleted: it must not come back.
    """
    spoken = select(col(Annotation.thread_id)).where(
        or_(
            col(Annotation.reviewer_id).is_not(None),
            col(Annotation.deleted_at).is_not(None),
        )
    )
    return set(
        session.scalars(
            spoken.union(
                select(col(Evidence.thread_id)),
                select(col(Decision.thread_id)),
            )
        )
    )


def _update_thread(
    thread: Thread,
    record: ObjectionRecord,
    people: Ids,
    answered: set[int],
) -> None:
    if get_id(thread) not in answered:
        is_as_loaded = thread.state == thread.outcome
        update_row(thread, _get_words(record))
        if is_as_loaded:  # else an editor has said how it stands
            update_row(thread, {"state": record.outcome})
    update_row(thread, _get_facts(record, people))


def _get_words(record: ObjectionRecord) -> Values:
    # what reviewers answer to; it stays once they have
    return {
        "title": record.title or _make_title(record.summary),
        "summary": record.summary,
        "summary_html": render_markdown(record.summary),
        "outcome": record.outcome,
    }


def _get_facts(record: ObjectionRecord, people: Ids) -> Values:
    in_reply_to, remark = split_reference(record.in_reply_to)
    return {
        "kind": record.kind,
        "severity": record.severity.value,
        "severity_source": record.severity.source,
        "person_id": people[record.reviewer],
        "opened_at": record.date.astimezone(UTC),
        "passage": record.passage,
        "message_id": record.message_id,
        "in_reply_to": in_reply_to,
        "notes": record.notes
        + ([f"The mail it answers is {remark}."] if remark else []),
        "what_if": record.what_if and record.what_if.model_dump(),
    }


def _make_title(summary: str) -> str:
    first = summary.split(". ", maxsplit=1)[0].rstrip(".")
    return textwrap.shorten(first, LONGEST_TITLE, placeholder=" …")


def _store_posts(
    session: Session,
    thread: Thread,
    record: ObjectionRecord,
    parents: Mapping[str, str | None],
    people: Ids,
) -> None:
    stored = {
        post.id: post
        for post in session.scalars(
            select(Annotation).where(
                col(Annotation.thread_id) == get_id(thread)
            )
        )
    }
    posts = _make_posts(record, parents)
    for post in posts:
        document = _make_document(thread.slug, post)
        values: Values = {
            "thread_id": get_id(thread),
            "parent_id": post.parent,
            "motivation": Motivation.replying,
            "person_id": people[post.response.who],
            "created_at": post.response.date.astimezone(UTC),
            "position": post.position,
            "text": post.response.summary,
            "html": render_markdown(post.response.summary),
            "message_id": post.response.message_id,
            "document": document,
            "source": document["target"],
        }
        if post.id not in stored:
            session.add(Annotation(id=post.id, **values))
            session.flush()  # an answer to it may follow
        elif stored[post.id].deleted_at is None:
            update_row(stored[post.id], values)


class _Post(NamedTuple):
    id: str
    parent: str | None
    position: int
    response: ResponseRecord


def _make_posts(
    record: ObjectionRecord, parents: Mapping[str, str | None]
) -> list[_Post]:
    """Return a thread's posts, each after the one it answers.

    A post answers the nearest post of the thread that its mail leads back
    to; with none on the way it answers the opener.
    """
    ids: dict[str, str] = {}
    for number, response in enumerate(record.responses):
        name = f"{record.id} {response.message_id} {number}"
        ids.setdefault(response.message_id, str(uuid5(POSTS, name)))
    posts: list[_Post] = []
    for number, response in enumerate(record.responses):
        name = f"{record.id} {response.message_id} {number}"
        posts.append(
            _Post(
                str(uuid5(POSTS, name)),
                _find_parent(response.message_id, ids, parents),
                OPENER,
                response,
            )
        )
    return [
        post._replace(position=position)
        for position, post in enumerate(_order(posts), start=OPENER + 1)
    ]


def _find_parent(
    message_id: str, ids: Mapping[str, str], parents: Mapping[str, str | None]
) -> str | None:
    seen = {message_id}
    above = parents.get(message_id)
    while above is not None and above not in seen:
        if above in ids:
            return ids[above]
        seen.add(above)
        above = parents.get(above)
    return None


def _order(posts: Sequence[_Post]) -> list[_Post]:
    # as in the file, but none before the one that it answers
    ordered: list[_Post] = []
    waiting = list(posts)
    while waiting:
        done = {None, *(post.id for post in ordered)}
        ready = next((p for p in waiting if p.parent in done), None)
        if ready is None:  # the mails answer one another in a ring
            waiting[0] = waiting[0]._replace(parent=None)
        else:
            ordered.append(ready)
            waiting.remove(ready)
    return ordered


def _make_document(slug: str, post: _Post) -> Values:
    """Return a post as a W3C annotation."""
    target = f"/annotations/{post.parent}" if post.parent else None
    return {
        "@context": CONTEXT,
        "id": f"/annotations/{post.id}",
        "type": "Annotation",
        "motivation": "replying",
        "creator": {"type": "Person", "name": post.response.who},
        "created": entries.format_time(post.response.date),
        "body": {
            "type": "TextualBody",
            "value": post.response.summary,
            "format": "text/markdown",
            "purpose": "replying",
        },
        "target": target or f"/threads/{slug}",
        "via": make_mid(post.response.message_id),
    }
