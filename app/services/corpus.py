"""The bundled corpus: a folder of facts becomes a proposal under review.

Loading again changes nothing; a changed file changes the facts, never what
a reviewer has answered, and takes nothing away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.config import ROOT
from app.errors import CorpusError
from app.models import (
    Call,
    CallSection,
    Entry,
    Person,
    Proposal,
    Revision,
    RevisionSource,
    Section,
    ThreadCall,
    ThreadSection,
    get_id,
)
from app.services import anchors, annotation_filling, entries
from app.services.corpus_facts import (
    CALLS,
    OBJECTIONS,
    CorpusFacts,
    RevisionFacts,
    read_corpus,
)
from app.services.corpus_rows import (
    Ids,
    Values,
    require_all,
    update_row,
)
from app.services.corpus_scenarios import store_scenarios
from app.services.corpus_threads import store_threads
from app.services.reviewers import PROGRAM
from app.services.revising import link_calls, store_sections
from app.services.revisions import select_newest_id
from app.services.sections import Pointer, make_slug

BUNDLED = ROOT / "app" / "corpus" / "vmi"
LOADER = 1  # raised when the same files are stored in another way


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
    scenarios: int


def load_corpus(session: Session, folder: Path = BUNDLED) -> LoadReport:
    """Store what a corpus folder says; the caller's transaction, all or none.

    Raises
    ------
    CorpusError
        When a file is wrong; it says where.
    """
    facts = read_corpus(folder)
    entries.take_turn(session)
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
        scenarios=len(facts.scenarios),
    )


def _store(session: Session, facts: CorpusFacts) -> None:
    proposal_id = _store_proposal(session, facts)
    before = _find_newest(session)
    section_ids: Sequence[int] = ()
    for revision in facts.revisions:
        section_ids = _store_revision(session, proposal_id, revision)
    people = _store_people(session, _get_names(facts))
    calls = _store_calls(session, proposal_id, facts)
    _link_calls(session, facts, calls, section_ids)
    session.flush()
    newest = _find_newest(session)
    if before is not None and newest is not None and newest != before:
        anchors.carry(session, before, newest, PROGRAM)
    threads = store_threads(session, proposal_id, facts, people)
    _link_threads(session, facts, threads, calls, section_ids)
    session.flush()
    annotation_filling.fill_openers(session)
    _link_later(session, proposal_id, facts)
    store_scenarios(session, proposal_id, facts.scenarios, threads, calls)
    session.flush()


def _find_newest(session: Session) -> int | None:
    newest: int | None = session.scalar(select(select_newest_id()))
    return newest


def _store_proposal(session: Session, facts: CorpusFacts) -> int:
    record = facts.proposal
    proposal = session.scalar(
        select(Proposal).where(col(Proposal.slug) == record.slug)
    )
    values: Values = {
        "title": record.title,
        "authors": record.authors,
        "status": record.status,
    }
    if proposal is None:
        proposal = Proposal(slug=record.slug, **values)
        session.add(proposal)
    else:
        update_row(proposal, values)
    session.flush()
    return get_id(proposal)


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
        if stored.source is not RevisionSource.corpus:
            raise CorpusError(
                record.file,
                f"revision {record.number} was made here; a corpus brings "
                "no other of this number",
            )
        if stored.text != facts.text:
            raise CorpusError(
                record.file,
                f"the text of revision {record.number} is not the one that "
                "was loaded; a changed text is a new revision",
            )
        update_row(
            stored, {"dated_on": record.dated_on, "change": record.change}
        )
        sections = session.scalars(
            select(Section)
            .where(col(Section.revision_id) == stored.id)
            .order_by(col(Section.position))
        )
        return [get_id(section) for section in sections]
    revision = Revision(
        proposal_id=proposal_id,
        number=record.number,
        dated_on=record.dated_on,
        change=record.change,
        text=facts.text,
    )
    session.add(revision)
    session.flush()
    return store_sections(session, get_id(revision), facts.sections)


def _get_names(facts: CorpusFacts) -> list[str]:
    names: dict[str, None] = {}
    for objection in facts.objections:
        names[objection.reviewer] = None
        names.update((response.who, None) for response in objection.responses)
    return list(names)


def _store_people(session: Session, names: Iterable[str]) -> Ids:
    ids = {p.name: get_id(p) for p in session.scalars(select(Person))}
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
        ids[name] = get_id(person)
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
    require_all(stored, (call.name for call in facts.calls), CALLS)
    position = len(stored)
    for record in facts.calls:
        values = record.model_dump() | {
            "number": record.abi_number.get("rfc_patch_13_0")
        }
        if record.name in stored:
            update_row(stored[record.name], values)
            continue
        position += 1
        call = Call(proposal_id=proposal_id, position=position, **values)
        stored[record.name] = call
        session.add(call)
    session.flush()
    return {name: get_id(call) for name, call in stored.items()}


def _link_calls(
    session: Session, facts: CorpusFacts, calls: Ids, sections: Sequence[int]
) -> None:
    session.execute(
        delete(CallSection).where(
            col(CallSection.call_id).in_(list(calls.values())),
            col(CallSection.section_id).in_(sections),
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


def _link_threads(
    session: Session,
    facts: CorpusFacts,
    threads: Ids,
    calls: Ids,
    sections: Sequence[int],
) -> None:
    ids = list(threads.values())
    session.execute(
        delete(ThreadCall).where(col(ThreadCall.thread_id).in_(ids))
    )
    session.execute(
        delete(ThreadSection).where(
            col(ThreadSection.thread_id).in_(ids),
            col(ThreadSection.section_id).in_(sections),
        )
    )
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


def _link_later(
    session: Session, proposal_id: int, facts: CorpusFacts
) -> None:
    """Tie calls and new threads to the revisions that were made here."""
    last = facts.revisions[-1].record.number
    rows = session.execute(
        select(col(Revision.id), col(Revision.is_reference))
        .where(
            col(Revision.proposal_id) == proposal_id,
            col(Revision.number) >= last,
        )
        .order_by(col(Revision.number))
    )
    before: int | None = None
    for id_, is_reference in rows:
        if before is not None and id_ is not None:
            link_calls(session, before, id_)
            if not is_reference:
                anchors.carry(session, before, id_, PROGRAM)
        if not is_reference:
            before = id_


def _get_places(pointers: Iterable[Pointer]) -> dict[int, list[str]]:
    # one line a section: what narrows it is joined
    places: dict[int, list[str]] = {}
    for pointer in pointers:
        if pointer.position is not None:
            notes = places.setdefault(pointer.position, [])
            if pointer.note:
                notes.append(pointer.note)
    return places
