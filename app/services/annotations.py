"""Annotations: the posts of threads, as W3C annotations.

A thread's opener, if it was opened here, is its post number 0; replies count
from 1. How a passage is found in a section's text stands here too, for an
annotation names the passage by quote and position.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import quote

import structlog
import uuid_utils
from sqlalchemy import ScalarSelect, case, func, select, update
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import Fault, InvalidError, NotFoundError
from app.models import (
    Annotation,
    Message,
    Motivation,
    Person,
    Reviewer,
    Stance,
    StanceValue,
    Thread,
    ThreadState,
)
from app.services.entries import append_entry, format_time, take_turn
from app.services.markdown import render_markdown
from app.services.reviewers import Visitor

CONTEXT = "http://www.w3.org/ns/anno.jsonld"
FRAGMENTS = "http://tools.ietf.org/rfc/rfc3236"
OPENER = 0
DEEPEST = 6  # deeper replies stand beside the one they answer
AROUND = 32  # code points that a quote selector keeps before and after
logger = structlog.get_logger()
_is_moderating = col(Annotation.motivation) == Motivation.moderating

Document = Mapping[str, Any]


class PostRow(NamedTuple):
    """A post as it was stored, and who wrote it.

    `account` is the name of the reviewer who did; `stance` is the one that
    it tells of, while that is the writer's. A deleted post has no text. One
    that moderates is no reply; `now` is how it lets the thread stand.
    """

    id: str
    parent: str | None
    author: str
    is_reviewer: bool
    created_at: datetime
    text: str
    html: str
    message_id: str | None
    is_imported: bool
    account: str | None = None
    version: int = 1
    modified_at: datetime | None = None
    is_deleted: bool = False
    stance: StanceValue | None = None
    position: int = 1
    is_moderating: bool = False
    now: ThreadState | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """A post with the replies to it, as a page nests them."""

    row: PostRow
    replies: Sequence["Post"]

    @property
    def has_reply(self) -> bool:
        """Tell whether it, or what answers it, answers the thread."""
        return not self.row.is_moderating or any(
            post.has_reply for post in self.replies
        )


class Passage(NamedTuple):
    """Where a quote stands in a section's text, in code points."""

    start: int
    end: int
    exact: str
    prefix: str
    suffix: str


class Spoken(NamedTuple):
    """What was said on a thread: the opener, if it is kept here, and after."""

    opener: PostRow | None
    posts: list[PostRow]

    @property
    def rows(self) -> list[PostRow]:
        """Return the opener and what came after, in one list."""
        return [self.opener, *self.posts] if self.opener else self.posts


def count_replies() -> ScalarSelect[int]:
    """Return the part of a query that counts the replies of its thread.

    What opened it, what was deleted and what only moderates is none.
    """
    return (
        select(func.count())
        .select_from(Annotation)
        .where(
            col(Annotation.thread_id) == col(Thread.id),
            col(Annotation.position) > OPENER,
            col(Annotation.deleted_at).is_(None),
            ~_is_moderating,
        )
        .correlate(Thread)
        .scalar_subquery()
    )


def list_posts(session: Session, thread_id: int) -> list[PostRow]:
    """Return the replies of a thread in their order, in one query."""
    return read_spoken(session, thread_id).posts


def read_spoken(session: Session, thread_id: int) -> Spoken:
    """Return the posts of a thread in their order, in one query.

    Of the deleted ones those stay that were answered.
    """
    rows = _read_posts(session, col(Annotation.thread_id) == thread_id)
    opener = next((row for row in rows if row.position == OPENER), None)
    answered: set[str | None] = set()
    kept = []
    for row in reversed(rows):  # a reply follows what it answers
        if row.position == OPENER or (
            row.is_deleted and row.id not in answered
        ):
            continue
        answered.add(row.parent)
        kept.append(row)
    return Spoken(opener, kept[::-1])


def get_post(session: Session, slug: str, post_id: str) -> PostRow:
    """Return one post of a thread, its opener too, or a deleted one."""
    thread_id = _get_thread(session, slug).id
    rows = _read_posts(
        session,
        col(Annotation.thread_id) == thread_id,
        col(Annotation.id) == post_id,
    )
    if not rows:
        raise NotFoundError("comment", post_id)
    return rows[0]


def _read_posts(session: Session, *conditions: Any) -> list[PostRow]:  # noqa: ANN401 - SQL expressions
    rows = session.execute(
        select(
            col(Annotation.id),
            col(Annotation.parent_id),
            func.coalesce(col(Person.name), col(Reviewer.display_name), ""),
            col(Annotation.reviewer_id),
            col(Annotation.created_at),
            col(Annotation.text),
            col(Annotation.html),
            col(Annotation.message_id),
            col(Message.id),
            col(Reviewer.name),
            col(Annotation.version),
            col(Annotation.modified_at),
            col(Annotation.deleted_at),
            col(Stance.value),
            col(Annotation.position),
            _is_moderating,
            # a document is long, and of most nothing is asked
            case(
                (
                    _is_moderating,
                    col(Annotation.document)["review:state"].as_string(),
                )
            ),
        )
        .outerjoin(Person, col(Person.id) == col(Annotation.person_id))
        .outerjoin(Reviewer, col(Reviewer.id) == col(Annotation.reviewer_id))
        .outerjoin(Stance, col(Stance.annotation_id) == col(Annotation.id))
        .outerjoin(
            Message, col(Message.message_id) == col(Annotation.message_id)
        )
        .where(*conditions)
        .order_by(col(Annotation.position), col(Annotation.created_at))
    )
    return [
        PostRow(
            id=row[0],
            parent=row[1],
            author=row[2],
            is_reviewer=row[3] is not None,
            created_at=row[4],
            text=row[5],
            html=row[6],
            message_id=row[7],
            is_imported=row[8] is not None,
            account=row[9],
            version=row[10],
            modified_at=row[11],
            is_deleted=row[12] is not None,
            stance=row[13],
            position=row[14],
            is_moderating=row[15],
            now=row[16] and ThreadState(row[16]),
        )
        for row in rows
    ]


def nest_posts(rows: Sequence[PostRow]) -> list[Post]:
    """Return the posts as a forest, no deeper than `DEEPEST`.

    A reply follows what it answers, so one pass finds every parent.
    """
    depth: dict[str, int] = {}
    shown_under: dict[str, str | None] = {}
    children: dict[str | None, list[PostRow]] = {None: []}
    for row in rows:
        parent = row.parent if row.parent in depth else None
        if parent is not None and depth[parent] >= DEEPEST:
            parent = shown_under[parent]
        depth[row.id] = 0 if parent is None else depth[parent] + 1
        shown_under[row.id] = parent
        children.setdefault(parent, []).append(row)
    made: dict[str, Post] = {}
    for row in reversed(rows):
        replies = [made[child.id] for child in children.get(row.id, ())]
        made[row.id] = Post(row, replies)
    return [made[row.id] for row in children[None]]


class _Target(NamedTuple):
    id: int
    state: ThreadState


def _get_thread(session: Session, slug: str) -> _Target:
    row = session.execute(
        select(col(Thread.id), col(Thread.state)).where(
            col(Thread.slug) == slug
        )
    ).first()
    if row is None or row[0] is None:
        raise NotFoundError("thread", slug)
    return _Target(row[0], row[1])


def reply(
    session: Session,
    visitor: Visitor,
    slug: str,
    text: str,
    parent: str | None = None,
) -> PostRow:
    """Answer a thread, or one of its posts; return the new post.

    A thread without answer is open again once somebody speaks on it.
    """
    take_turn(session)
    thread = _get_thread(session, slug)
    if parent is not None:
        _require_post(session, thread.id, parent)
    last = session.execute(
        select(func.max(col(Annotation.position))).where(
            col(Annotation.thread_id) == thread.id
        )
    ).scalar()
    post = make_annotation(
        visitor,
        thread.id,
        text,
        motivation=Motivation.replying,
        target=f"/annotations/{parent}" if parent else f"/threads/{slug}",
    )
    post.parent_id = parent
    post.position = (last or OPENER) + 1
    session.add(post)
    if thread.state == ThreadState.unanswered:
        session.execute(
            update(Thread)
            .where(col(Thread.id) == thread.id)
            .values(state=ThreadState.open)
        )
    session.flush()
    append_entry(
        session,
        visitor.actor,
        "annotation.created",
        f"annotation:{post.id}",
        {
            "thread": slug,
            "was": thread.state.value,
            "parent": parent,
            "text": text,
        },
    )
    logger.info("reply_added", thread=slug, post=post.id)
    return get_post(session, slug, post.id)


def _require_post(session: Session, thread_id: int, post_id: str) -> None:
    found = session.execute(
        select(col(Annotation.id)).where(
            col(Annotation.thread_id) == thread_id,
            col(Annotation.id) == post_id,
            col(Annotation.deleted_at).is_(None),
        )
    ).first()
    if found is None:
        raise InvalidError(
            "the post that is answered is not one of this thread",
            Fault("/parent", "expected the id of a post of this thread"),
        )


def make_annotation(
    visitor: Visitor,
    thread_id: int | None,
    text: str,
    *,
    motivation: Motivation,
    target: object,
) -> Annotation:
    """Return a reviewer's annotation, not yet stored."""
    id_ = str(uuid_utils.uuid7())
    now = datetime.now(UTC)
    return Annotation(
        id=id_,
        thread_id=thread_id,
        motivation=motivation,
        reviewer_id=visitor.id,
        created_at=now,
        position=OPENER,
        text=text,
        html=render_markdown(text),
        document=build_document(
            id_,
            motivation,
            visitor.display_name,
            now,
            body={"value": text, "format": "text/markdown"},
            target=target,
        ),
        source=find_source(target),
    )


def build_document(  # noqa: PLR0913 - each is a part of the document
    id_: str,
    motivation: Motivation,
    creator: str,
    created: datetime,
    *,
    body: Document,
    target: object,
) -> dict[str, Any]:
    """Return a W3C annotation with one text as its body.

    Addresses are references within this site, so that the document is right
    wherever the site is served.
    """
    return {
        "@context": CONTEXT,
        "id": f"/annotations/{id_}",
        "type": "Annotation",
        "motivation": str(motivation),
        "creator": {"type": "Person", "name": creator},
        "created": format_time(created),
        "body": {
            "type": "TextualBody",
            **body,
            "purpose": str(motivation),
        },
        "target": target,
    }


def make_mid(message_id: str) -> str:
    """Return the IRI of a mail (RFC 2392)."""
    return f"mid:{quote(message_id, safe='@$!*()+,;:=._~-')}"


def find_source(target: object) -> str:
    """Return what a target of ours speaks of, of several the first."""
    first = target[0] if isinstance(target, list) else target
    return str(first["source"] if isinstance(first, dict) else first)


def build_target(
    calls: Sequence[str],
    anchor: str | None,
    passage: Passage | None,
    source: str = "/document/",
) -> object:
    """Return what is spoken of: calls, a section, a passage in it."""
    targets: list[object] = [f"/calls/{name}" for name in calls]
    if anchor is not None:
        targets.insert(0, _build_section_target(anchor, passage, source))
    return targets[0] if len(targets) == 1 else targets


def _build_section_target(
    anchor: str, passage: Passage | None, source: str
) -> Document:
    fragment: dict[str, Any] = {
        "type": "FragmentSelector",
        "conformsTo": FRAGMENTS,
        "value": anchor,
    }
    if passage is not None:
        # the quote and its position count from the section's start
        fragment["refinedBy"] = [
            {
                "type": "TextQuoteSelector",
                "exact": passage.exact,
                "prefix": passage.prefix,
                "suffix": passage.suffix,
            },
            {
                "type": "TextPositionSelector",
                "start": passage.start,
                "end": passage.end,
            },
        ]
    return {
        "type": "SpecificResource",
        "source": source,
        "selector": fragment,
    }


class _TextReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def read_text(html: str) -> str:
    """Return the text content of a section's HTML."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)


class Squeezed(NamedTuple):
    """A text without its white space, and where each character was."""

    text: str
    places: Sequence[int]

    def get_span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of it, not empty, stands in the whole text."""
        return self.places[start], self.places[end - 1] + 1


def squeeze(text: str) -> Squeezed:
    """Return a text without its white space, in which lines break."""
    places = [i for i, character in enumerate(text) if not character.isspace()]
    return Squeezed("".join(text.split()), places)


def find_passage(
    text: str, quote: str, near: int | None = None
) -> Passage | None:
    """Return where a quote stands, white space aside; nearest to `near`.

    A browser breaks the lines of a selection as it shows them, so only what
    is not white space is compared.
    """
    squeezed = squeeze(text)
    wanted = "".join(quote.split())
    if not wanted:
        return None
    found = [
        squeezed.get_span(at, at + len(wanted))
        for at in find_all(squeezed.text, wanted)
    ]
    if not found:
        return None
    start, end = min(found, key=lambda place: abs(place[0] - (near or 0)))
    return make_passage(text, start, end)


def make_passage(text: str, start: int, end: int) -> Passage:
    """Return the passage from `start` to `end`, with the text around it."""
    return Passage(
        start,
        end,
        text[start:end],
        text[max(0, start - AROUND) : start],
        text[end : end + AROUND],
    )


def find_all(text: str, wanted: str) -> Iterator[int]:
    """Return where one text stands in another, in order."""
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)
