"""Anchors: where annotations and threads point in each revision.

An anchor is made with what it belongs to, on the text that was read then: the
original. `carry` writes it anew for a later revision, always from the
original, so that errors do not add up; only a place that a person chose, and
whose words stay, is kept before that. Each is told of in the log. How a place
is found is the matter of `anchoring`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import NotFoundError
from app.models import (
    Anchor,
    AnchorState,
    Annotation,
    Revision,
    Section,
    Thread,
    ThreadSection,
)
from app.services.anchoring import CERTAIN, Method
from app.services.annotations import (
    OPENER,
    Passage,
    find_passage,
    read_text,
)
from app.services.carrier import (
    Carrier,
    Foreseen,
    Key,
    Target,
    compute_digest,
    get_key,
    make_basis,
)
from app.services.entries import NewEntry, append_entries, take_turn

EVENTS: Mapping[AnchorState, str] = {
    AnchorState.exact: "anchor.exact",
    AnchorState.moved: "anchor.moved",
    AnchorState.proposed: "anchor.proposed",
    AnchorState.orphan: "anchor.orphaned",
}
logger = structlog.get_logger()


class Clause(NamedTuple):
    """A section with its text, as anchors point into it."""

    id: int
    revision_id: int
    revision: int
    anchor: str
    text: str


def read_clause(session: Session, section_id: int) -> Clause:
    """Return a section of any revision, by its row."""
    row = session.execute(
        select(
            col(Section.revision_id),
            col(Revision.number),
            col(Section.anchor),
            col(Section.html),
        )
        .join(Revision, col(Revision.id) == col(Section.revision_id))
        .where(col(Section.id) == section_id)
    ).first()
    if row is None:
        raise NotFoundError("section", str(section_id))
    return Clause(section_id, row[0], row[1], row[2], read_text(row[3]))


def add_anchor(  # noqa: PLR0913 - each is a part of the anchor
    session: Session,
    *,
    clause: Clause | None,
    passage: Passage | None,
    revision_id: int,
    annotation_id: str | None = None,
    thread_id: int | None = None,
    call_id: int | None = None,
) -> Anchor:
    """Store where something new points, on the text that was read."""
    anchor = Anchor(
        annotation_id=annotation_id,
        thread_id=thread_id,
        revision_id=revision_id,
        section_id=clause.id if clause else None,
        call_id=call_id,
        state=AnchorState.exact,
        method=Method.original.value,
        score=CERTAIN,
        digest=compute_digest(clause.text) if clause else "",
        rivals=[],
        made_at=datetime.now(UTC),
        **(passage._asdict() if passage else {}),
    )
    session.add(anchor)
    session.flush()
    return anchor


def describe_anchor(
    clause: Clause | None, passage: Passage | None
) -> Mapping[str, Any]:
    """Return what an entry says of a new anchor."""
    return {
        "revision": clause.revision if clause else None,
        "section": clause.anchor if clause else None,
        "exact": passage.exact if passage else "",
        "start": passage.start if passage else None,
        "end": passage.end if passage else None,
    }


def foresee(
    session: Session, old_id: int, text: str, target: Target
) -> Foreseen:
    """Find all places that anchors will have, and store nothing.

    That takes its time, and should not be done while others wait to write.
    """
    originals = [*_read_originals(session), *_make_missing(session, old_id)]
    chosen = _read_chosen(session, old_id)
    carrier = Carrier(session, 0, target)
    placed = {}
    for original in originals:
        key = get_key(original)
        said = chosen.get(key)
        basis = make_basis(original, said)
        placed[key] = basis, carrier.place(original, said)
    return Foreseen(old_id, text, placed)


def carry(
    session: Session,
    old_id: int,
    new_id: int,
    actor: str,
    foreseen: Foreseen | None = None,
) -> None:
    """Write every anchor anew for a revision that follows another.

    What the new one has already stays as it is.

    Parameters
    ----------
    old_id, new_id
        The rows of the revisions; the new one has its sections already, and
        these are tied to their calls.
    actor
        Who made the new revision, as the log names them.
    foreseen
        The places that were found before, in the same text.
    """
    take_turn(session)
    session.add_all(_make_missing(session, old_id))
    session.flush()
    originals = [
        one for one in _read_originals(session) if one.revision_id != new_id
    ]
    there = {
        get_key(anchor)
        for anchor in session.scalars(
            select(Anchor).where(col(Anchor.revision_id) == new_id)
        )
    }
    missing = [one for one in originals if get_key(one) not in there]
    carry_anchors(session, missing, old_id, new_id, actor, foreseen)


def _read_originals(session: Session) -> Sequence[Anchor]:
    return session.scalars(
        select(Anchor)
        .where(col(Anchor.method) == Method.original.value)
        .order_by(col(Anchor.id))
    ).all()


def carry_anchors(  # noqa: PLR0913, PLR0917 - what goes from where to where
    session: Session,
    originals: Sequence[Anchor],
    old_id: int,
    new_id: int,
    actor: str,
    foreseen: Foreseen | None = None,
) -> None:
    """Write some anchors anew for a revision, from their originals."""
    if not originals:
        return
    carrier = Carrier(session, new_id)
    chosen = _read_chosen(session, old_id)
    made = []
    for original in originals:
        said = chosen.get(get_key(original))
        placed = foreseen and foreseen.get(original, said)
        placed = placed or carrier.place(original, said)
        made.append((original, carrier.make(original, said, placed)))
    session.add_all(anchor for _, anchor in made)
    session.flush()
    threads = {anchor.thread_id for _, anchor in made} - {None}
    link_threads(session, new_id, threads)
    subjects = _name_subjects(session, threads)
    append_entries(
        session,
        actor,
        [
            NewEntry(
                EVENTS[anchor.state],
                subjects[anchor.thread_id]
                if anchor.thread_id
                else f"annotation:{anchor.annotation_id}",
                carrier.describe(original, anchor),
            )
            for original, anchor in made
        ],
    )
    logger.info("anchors_carried", count=len(made), revision=new_id)


def _read_chosen(session: Session, revision_id: int) -> Mapping[Key, Anchor]:
    """Return the anchors of a revision whose place a person chose."""
    rows = session.scalars(
        select(Anchor).where(
            col(Anchor.revision_id) == revision_id,
            col(Anchor.reviewer_id).is_not(None),
        )
    )
    return {get_key(anchor): anchor for anchor in rows}


def _name_subjects(
    session: Session, threads: Iterable[int | None]
) -> Mapping[int | None, str]:
    rows = session.execute(
        select(col(Thread.id), col(Thread.slug)).where(
            col(Thread.id).in_(list(threads))
        )
    )
    return {row[0]: f"thread:{row[1]}" for row in rows}


def link_threads(
    session: Session, revision_id: int, threads: Iterable[int | None]
) -> None:
    """Tie threads to the sections of a revision that their anchors name."""
    wanted = list(threads)
    sections = select(col(Section.id)).where(
        col(Section.revision_id) == revision_id
    )
    session.execute(
        delete(ThreadSection).where(
            col(ThreadSection.thread_id).in_(wanted),
            col(ThreadSection.section_id).in_(sections),
        )
    )
    rows = session.execute(
        select(col(Anchor.thread_id), col(Anchor.section_id), col(Anchor.note))
        .where(
            col(Anchor.thread_id).in_(wanted),
            col(Anchor.revision_id) == revision_id,
            col(Anchor.section_id).is_not(None),
        )
        .order_by(col(Anchor.thread_id), col(Anchor.position))
    )
    # one line a section: what narrows it is joined
    links: dict[tuple[int, int], list[str]] = {}
    for thread_id, section_id, note in rows:
        links.setdefault((thread_id or 0, section_id or 0), []).append(
            note or ""
        )
    session.add_all(
        ThreadSection(
            thread_id=link[0],
            section_id=link[1],
            position=position,
            note=", ".join(filter(None, notes)) or None,
        )
        for position, (link, notes) in enumerate(links.items())
    )
    session.flush()


def _make_missing(session: Session, revision_id: int) -> list[Anchor]:
    """Return the originals of threads that were opened without one."""
    anchored = select(col(Anchor.thread_id)).where(
        col(Anchor.thread_id).is_not(None)
    )
    rows = session.execute(
        select(
            col(ThreadSection.thread_id),
            col(ThreadSection.section_id),
            col(ThreadSection.position),
            col(ThreadSection.note),
            col(Thread.quote),
            col(Section.html),
        )
        .join(Section, col(Section.id) == col(ThreadSection.section_id))
        .join(Thread, col(Thread.id) == col(ThreadSection.thread_id))
        .where(
            col(Section.revision_id) == revision_id,
            col(ThreadSection.thread_id).not_in(anchored),
        )
        .order_by(col(ThreadSection.thread_id), col(ThreadSection.position))
    ).all()
    places = _read_places(session, [row[0] for row in rows if row[4]])
    now = datetime.now(UTC)
    made = []
    for thread_id, section_id, position, note, quote, html in rows:
        text = read_text(html)
        passage = (
            find_passage(text, quote, places.get(thread_id)) if quote else None
        )
        made.append(
            Anchor(
                thread_id=thread_id,
                revision_id=revision_id,
                position=position,
                section_id=section_id,
                note=note,
                state=AnchorState.exact,
                method=Method.original.value,
                score=CERTAIN,
                digest=compute_digest(text),
                rivals=[],
                made_at=now,
                **(passage._asdict() if passage else {}),
            )
        )
    return made


def _read_places(
    session: Session, threads: Sequence[int]
) -> Mapping[int | None, int]:
    """Return where the quotes of threads were selected, as they say."""
    rows = session.execute(
        select(col(Annotation.thread_id), col(Annotation.document)).where(
            col(Annotation.thread_id).in_(threads),
            col(Annotation.position) == OPENER,
        )
    )
    return {row[0]: _find_start(row[1]) for row in rows}


def _find_start(document: object) -> int:
    """Return the first start of a text position in an annotation."""
    waiting: list[object] = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("type") == "TextPositionSelector":
                start = one.get("start")
                return start if isinstance(start, int) else 0
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return 0
