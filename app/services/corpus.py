"""The bundled corpus: a folder of facts becomes a proposal under review.

Loading again changes nothing; a changed file changes the facts, never what
a reviewer has answered, and takes nothing away.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.config import ROOT
from app.errors import CorpusError
from app.models import (
    Annotation,
    Call,
    CallSection,
    Decision,
    Entry,
    Evidence,
    Motivation,
    Person,
    Proposal,
    Revision,
    Section,
    Thread,
    ThreadCall,
    ThreadSection,
)
from app.services import entries
from app.services.corpus_facts import (
    CALLS,
    OBJECTIONS,
    CorpusFacts,
    RevisionFacts,
    read_corpus,
)
from app.services.corpus_records import (
    ObjectionRecord,
    ResponseRecord,
    split_reference,
)
from app.services.markdown import render_markdown
from app.services.sections import Pointer, make_slug

BUNDLED = ROOT / "app" / "corpus" / "vmi"
LOADER = 1  # raised when the same files are stored in another way
POSTS = UUID("5f0bb5b6-5b0c-4e0a-9d52-7c2f6f3d8a10")  # posts' ids grow here

LONGEST_TITLE = 90

Ids = Mapping[str, int]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a corpus holds, and whether loading it changed anything."""

    proposal: str
    changed: bool
    sections: int
    calls: int
    threads: int
    posts: int
    people: int


def load_corpus(session: Session, folder: Path = BUNDLED) -> LoadReport:
    """Store what a corpus folder says; the caller's transaction, all or none.

    Raises
    ------
    CorpusError
        When a file is wrong; it says where.
    """
    facts = read_corpus(folder)
    changed = not _is_loaded(session, facts)
    report = _make_report(facts, changed=changed)
    if changed:
        _store(session, facts)
        entries.append_entry(
            session,
            "program",
            "proposal.loaded",
            f"proposal:{facts.proposal.slug}",
            {
                "loader": LOADER,
                "files": dict(facts.digests),
                "counts": {
                    name: count
                    for name, count in asdict(report).items()
                    if name not in ("proposal", "changed")
                },
            },
        )
    return report


def _is_loaded(session: Session, facts: CorpusFacts) -> bool:
    last = session.scalar(
        select(col(Entry.data))
        .where(
            col(Entry.type) == "proposal.loaded",
            col(Entry.subject) == f"proposal:{facts.proposal.slug}",
        )
        .order_by(col(Entry.seq).desc())
        .limit(1)
    )
    return (
        last is not None
        and last["loader"] == LOADER
        and last["files"] == dict(facts.digests)
    )


def _make_report(facts: CorpusFacts, *, changed: bool) -> LoadReport:
    return LoadReport(
        proposal=facts.proposal.slug,
        changed=changed,
        sections=len(facts.revisions[-1].sections),
        calls=len(facts.calls),
        threads=len(facts.objections),
        posts=sum(len(o.responses) for o in facts.objections),
        people=len(_get_names(facts)),
    )


def _store(session: Session, facts: CorpusFacts) -> None:
    proposal_id = _store_proposal(session, facts)
    section_ids: Sequence[int] = ()
    for revision in facts.revisions:
        section_ids = _store_revision(session, proposal_id, revision)
    people = _store_people(session, _get_names(facts))
    calls = _store_calls(session, proposal_id, facts)
    _link_calls(session, facts, calls, section_ids)
    threads = _store_threads(session, proposal_id, facts, people)
    _link_threads(session, facts, threads, calls, section_ids)
    session.flush()


def _store_proposal(session: Session, facts: CorpusFacts) -> int:
    record = facts.proposal
    proposal = session.scalar(
        select(Proposal).where(col(Proposal.slug) == record.slug)
    )
    values = {
        "title": record.title,
        "authors": record.authors,
        "status": record.status,
    }
    if proposal is None:
        proposal = Proposal(slug=record.slug, **values)
        session.add(proposal)
    else:
        _update(proposal, values)
    session.flush()
    return _get_id(proposal)


def _store_revision(
    session: Session, proposal_id: int, facts: RevisionFacts
) -> list[int]:
    record = facts.record
    stored = session.scalar(
        select(Revision).where(
            col(Revision.proposal_id) == proposal_id,
            col(Revision.number) == record.number,
        )
    )
    if stored is not None:
        if stored.text != facts.text:
            raise CorpusError(
                record.file,
                f"the text of revision {record.number} is not the one that "
                "was loaded; a changed text is a new revision",
            )
        _update(stored, {"dated_on": record.dated_on, "change": record.change})
        sections = session.scalars(
            select(Section)
            .where(col(Section.revision_id) == stored.id)
            .order_by(col(Section.position))
        )
        return [_get_id(section) for section in sections]
    revision = Revision(
        proposal_id=proposal_id,
        number=record.number,
        dated_on=record.dated_on,
        change=record.change,
        text=facts.text,
    )
    session.add(revision)
    session.flush()
    return _store_sections(session, _get_id(revision), facts)


def _store_sections(
    session: Session, revision_id: int, facts: RevisionFacts
) -> list[int]:
    ids: list[int] = []
    for parsed in facts.sections:
        values = asdict(parsed)
        parent = values.pop("parent")
        section = Section(
            revision_id=revision_id,
            parent_id=None if parent is None else ids[parent],
            **values,
        )
        session.add(section)
        session.flush()  # the next one may need its id
        ids.append(_get_id(section))
    return ids


def _get_names(facts: CorpusFacts) -> list[str]:
    names: dict[str, None] = {}
    for objection in facts.objections:
        names[objection.reviewer] = None
        names.update((response.who, None) for response in objection.responses)
    return list(names)


def _store_people(session: Session, names: Iterable[str]) -> Ids:
    ids = {p.name: _get_id(p) for p in session.scalars(select(Person))}
    slugs = {make_slug(name): name for name in ids}
    for name in names:
        if name in ids:
            continue
        slug = make_slug(name)
        if slug in slugs:
            raise CorpusError(
                OBJECTIONS, f"{name!r} and {slugs[slug]!r} look like one name"
            )
        slugs[slug] = name
        person = Person(slug=slug, name=name)
        session.add(person)
        session.flush()
        ids[name] = _get_id(person)
    return ids


def _store_calls(
    session: Session, proposal_id: int, facts: CorpusFacts
) -> Ids:
    stored = {
        call.name: call
        for call in session.scalars(
            select(Call).where(col(Call.proposal_id) == proposal_id)
        )
    }
    _require_all(stored, (call.name for call in facts.calls), CALLS)
    position = len(stored)
    for record in facts.calls:
        values = record.model_dump() | {
            "number": record.abi_number.get("rfc_patch_13_0")
        }
        if record.name in stored:
            _update(stored[record.name], values)
            continue
        position += 1
        call = Call(proposal_id=proposal_id, position=position, **values)
        stored[record.name] = call
        session.add(call)
    session.flush()
    return {name: _get_id(call) for name, call in stored.items()}


def _link_calls(
    session: Session, facts: CorpusFacts, calls: Ids, sections: Sequence[int]
) -> None:
    session.execute(
        delete(CallSection).where(
            col(CallSection.call_id).in_(list(calls.values()))
        )
    )
    for name, pointers in facts.call_sections.items():
        for position, place in enumerate(_get_places(pointers)):
            session.add(
                CallSection(
                    call_id=calls[name],
                    section_id=sections[place],
                    position=position,
                )
            )


def _store_threads(
    session: Session, proposal_id: int, facts: CorpusFacts, people: Ids
) -> Ids:
    stored = {
        thread.slug: thread
        for thread in session.scalars(
            select(Thread).where(col(Thread.proposal_id) == proposal_id)
        )
    }
    theirs = {s: t for s, t in stored.items() if t.person_id is not None}
    slugs = [objection.id for objection in facts.objections]
    _require_all(theirs, slugs, OBJECTIONS)
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
        if _get_id(thread) not in answered:
            _store_posts(session, thread, record, facts.parents, people)
    return {slug: _get_id(stored[slug]) for slug in slugs}


def _find_answered(session: Session) -> set[int]:
    """Return the threads on which a reviewer has spoken or decided."""
    tables = (Annotation, Evidence, Decision)
    return {
        thread_id
        for table in tables
        for thread_id in session.scalars(
            select(table.thread_id).where(  # type: ignore[call-overload]
                table.reviewer_id.is_not(None)  # type: ignore[union-attr]
            )
        )
    }


def _update_thread(
    thread: Thread,
    record: ObjectionRecord,
    people: Ids,
    answered: set[int],
) -> None:
    if _get_id(thread) not in answered:
        _update(thread, _get_words(record) | {"state": record.outcome})
    _update(thread, _get_facts(record, people))


def _get_words(record: ObjectionRecord) -> dict[str, Any]:
    # what reviewers answer to; it stays once they have
    return {
        "title": record.title or _make_title(record.summary),
        "summary": record.summary,
        "summary_html": render_markdown(record.summary),
        "outcome": record.outcome,
    }


def _get_facts(record: ObjectionRecord, people: Ids) -> dict[str, Any]:
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
    first = summary.split(". ")[0].rstrip(".")
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
                col(Annotation.thread_id) == _get_id(thread)
            )
        )
    }
    posts = _make_posts(record, parents)
    for post in posts:
        values = {
            "thread_id": _get_id(thread),
            "parent_id": post.parent,
            "motivation": Motivation.replying,
            "person_id": people[post.response.who],
            "created_at": post.response.date.astimezone(UTC),
            "position": post.position,
            "text": post.response.summary,
            "html": render_markdown(post.response.summary),
            "message_id": post.response.message_id,
            "document": _make_document(thread.slug, post),
        }
        if post.id in stored:
            _update(stored[post.id], values)
        else:
            session.add(Annotation(id=post.id, **values))
            session.flush()  # an answer to it may follow


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
                number + 1,
                response,
            )
        )
    return _order(posts)


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
    ordered: list[_Post] = []
    waiting = list(posts)
    while waiting:
        done = {post.id for post in ordered}
        ready = [p for p in waiting if p.parent is None or p.parent in done]
        if not ready:  # the mails answer one another in a ring
            ready = [waiting[0]._replace(parent=None)]
        ordered.extend(ready)
        names = {post.id for post in ready}
        waiting = [post for post in waiting if post.id not in names]
    return ordered


def _make_document(slug: str, post: _Post) -> Json:
    """Return a post as a W3C annotation."""
    target = f"/annotations/{post.parent}" if post.parent else None
    return {
        "@context": "http://www.w3.org/ns/anno.jsonld",
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
        "via": f"mid:{post.response.message_id}",
    }


def _link_threads(
    session: Session,
    facts: CorpusFacts,
    threads: Ids,
    calls: Ids,
    sections: Sequence[int],
) -> None:
    ids = list(threads.values())
    for link in (ThreadCall, ThreadSection):
        session.execute(delete(link).where(col(link.thread_id).in_(ids)))
    for record in facts.objections:
        thread_id = threads[record.id]
        for position, name in enumerate(record.target.calls):
            session.add(
                ThreadCall(
                    thread_id=thread_id,
                    call_id=calls[name],
                    position=position,
                )
            )
        places = _get_places(facts.thread_sections[record.id])
        for position, (place, notes) in enumerate(places.items()):
            session.add(
                ThreadSection(
                    thread_id=thread_id,
                    section_id=sections[place],
                    position=position,
                    note=", ".join(notes) or None,
                )
            )


def _get_places(pointers: Iterable[Pointer]) -> dict[int, list[str]]:
    # one line a section: what narrows it is joined
    places: dict[int, list[str]] = {}
    for pointer in pointers:
        if pointer.position is not None:
            notes = places.setdefault(pointer.position, [])
            if pointer.note:
                notes.append(pointer.note)
    return places


def _require_all(
    stored: Iterable[str], listed: Iterable[str], file: str
) -> None:
    missing = sorted(set(stored) - set(listed))
    if missing:
        raise CorpusError(
            file,
            "was loaded before and is missing now; nothing under review "
            "goes away",
            entry=missing[0],
        )


def _update(row: SQLModel, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)


def _get_id(
    row: Proposal | Revision | Section | Person | Call | Thread,
) -> int:
    if row.id is None:
        raise AssertionError("a row that was not flushed")
    return row.id
