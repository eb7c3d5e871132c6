"""Making a revision: a text is checked, stored, and tied to what there is.

The text of the corpus, an upload, an edit, mails or a suggestion becomes the
next revision, or a reference that mails quote. Calls keep their sections by
name, else where these went; the log tells of it.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import NamedTuple

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.errors import ConflictError, Fault, InvalidError, NotFoundError
from app.models import (
    Call,
    CallSection,
    Revision,
    RevisionSource,
    Section,
    get_id,
)
from app.services import anchors
from app.services.carrier import Foreseen, Target
from app.services.differences import SectionText, map_sections
from app.services.entries import append_entry, take_turn
from app.services.proposals import find_proposal
from app.services.quote_store import ask_all_again
from app.services.reviewers import PROGRAM, Visitor
from app.services.revisions import (
    RevisionRow,
    get_newest,
    get_revision,
    load_sections,
    make_sections,
)
from app.services.sections import ParsedSection, parse_sections

LONGEST_DOCUMENT = 300_000
LONGEST_LINE = 20_000
MOST_LINES = 20_000
MOST_MARKS = 40_000
"""Characters that Markdown may read as marks; each takes its time."""

logger = structlog.get_logger()

_MARK = re.compile(r"[*_\[\]!|`~<&\\]")


class NewRevision(NamedTuple):
    """A text that shall be a revision.

    `basis` is the number of the revision that it was written on: a newer one
    refuses it. None takes whatever is newest.
    """

    text: str
    change: str
    dated_on: str
    source: RevisionSource
    message_ids: Sequence[str] = ()
    is_reference: bool = False
    basis: int | None = None


class OutdatedError(ConflictError):
    """Raised when the text was written on a revision that is not newest."""

    def __init__(self, basis: int, newest: int) -> None:
        super().__init__(
            f"this was written on revision {basis}; the newest is {newest}"
        )
        self.basis = basis
        self.newest = newest


def check_text(text: str) -> list[ParsedSection]:
    """Return the sections of a text, or say what is wrong with it where."""
    if len(text) > LONGEST_DOCUMENT:
        raise _refuse(f"at most {LONGEST_DOCUMENT:,} characters are taken")
    if len(_MARK.findall(text)) > MOST_MARKS:
        raise _refuse(f"at most {MOST_MARKS:,} marks of Markdown are taken")
    for number, line in enumerate(text.split("\n"), start=1):
        if number > MOST_LINES:
            raise _refuse(f"at most {MOST_LINES:,} lines are taken")
        if len(line) > LONGEST_LINE:
            raise _refuse(
                f"line {number} has more than {LONGEST_LINE:,} characters",
                line=number,
            )
    try:
        return parse_sections(text)
    except ValueError as error:
        raise _refuse(str(error), line=1) from error


def _refuse(reason: str, line: int | None = None) -> InvalidError:
    return InvalidError(
        f"this text is no document: {reason}",
        Fault("/text", reason, line=line, expected="`# Title` on line 1"),
    )


def foresee(session: Session, text: str) -> Foreseen | None:
    """Find where anchors will be if a text becomes the next revision.

    None if it cannot: making the revision says why.
    """
    try:
        newest = get_newest(session)
        new = make_sections(check_text(text))
    except (InvalidError, NotFoundError):
        return None
    old = load_sections(session, newest.id)
    calls = {
        call: frozenset(places)
        for call, places in _choose_links(session, old, new).items()
    }
    return anchors.foresee(session, newest.id, text, Target(new, calls))


def create_revision(
    session: Session,
    visitor: Visitor | None,
    new: NewRevision,
    foreseen: Foreseen | None = None,
) -> RevisionRow:
    """Store a text as the next revision, or as a reference.

    What was `foreseen` of its anchors is used if nothing came between.

    Raises
    ------
    InvalidError
        When the text is no document, or says nothing new.
    OutdatedError
        When it was written on another revision than the newest.
    """
    take_turn(session)
    proposal = find_proposal(session)
    if proposal is None:
        raise NotFoundError("proposal", "under review")
    newest = get_newest(session)
    if new.basis is not None and new.basis != newest.number:
        raise OutdatedError(new.basis, newest.number)
    parsed = check_text(new.text)
    _require_change(session, newest, new)
    number = _choose_number(session, proposal.id)
    revision = Revision(
        proposal_id=proposal.id,
        number=number,
        dated_on=new.dated_on,
        change=new.change,
        text=new.text,
        source=new.source,
        is_reference=new.is_reference,
        message_ids=list(new.message_ids),
        reviewer_id=visitor.id if visitor else None,
        created_at=datetime.now(UTC),
    )
    session.add(revision)
    session.flush()
    revision_id = get_id(revision)
    store_sections(session, revision_id, parsed)
    link_calls(session, newest.id, revision_id)
    append_entry(
        session,
        visitor.actor if visitor else PROGRAM,
        "revision.created",
        f"revision:{number}",
        {
            "change": new.change,
            "dated_on": new.dated_on,
            "source": new.source.value,
            "is_reference": new.is_reference,
            "messages": list(new.message_ids),
            "previous": newest.number,
            "sections": len(parsed),
            "sha256": hashlib.sha256(new.text.encode()).hexdigest(),
        },
    )
    if new.is_reference:
        # mails may quote it, and have not been compared with it
        ask_all_again(session)
    else:
        actor = visitor.actor if visitor else PROGRAM
        if foreseen and (foreseen.old_id, foreseen.text) != (
            newest.id,
            new.text,
        ):
            foreseen = None
        anchors.carry(session, newest.id, revision_id, actor, foreseen)
    logger.info("revision_created", number=number)
    return get_revision(session, number)


def _require_change(
    session: Session, newest: RevisionRow, new: NewRevision
) -> None:
    if new.is_reference:
        return
    stored = session.execute(
        select(col(Revision.text)).where(col(Revision.id) == newest.id)
    ).scalar_one()
    if stored == new.text:
        raise InvalidError(
            "nothing was changed",
            Fault("/text", f"this is the text of revision {newest.number}"),
        )


def _choose_number(session: Session, proposal_id: int) -> int:
    last = session.execute(
        select(func.max(col(Revision.number))).where(
            col(Revision.proposal_id) == proposal_id
        )
    ).scalar()
    return (last or 0) + 1


def store_sections(
    session: Session, revision_id: int, parsed: Sequence[ParsedSection]
) -> list[int]:
    """Store the sections of a revision; return their ids in order."""
    ids: list[int] = []
    for section in parsed:
        values = asdict(section)
        parent = values.pop("parent")
        row = Section(
            revision_id=revision_id,
            parent_id=None if parent is None else ids[parent],
            **values,
        )
        session.add(row)
        session.flush()  # the next one may need its id
        ids.append(get_id(row))
    return ids


def link_calls(session: Session, old_id: int, new_id: int) -> None:
    """Tie each call to its sections of a new revision.

    A heading that names the call defines it; sections that it had before
    follow, where they went. One that has none is tied to its prototype.
    """
    old = load_sections(session, old_id)
    new = load_sections(session, new_id)
    session.execute(
        delete(CallSection).where(
            col(CallSection.section_id).in_([s.id for s in new])
        )
    )
    session.add_all(
        CallSection(
            call_id=call_id, section_id=new[place].id, position=position
        )
        for call_id, places in _choose_links(session, old, new).items()
        for position, place in enumerate(places)
    )
    session.flush()


def _choose_links(
    session: Session, old: Sequence[SectionText], new: Sequence[SectionText]
) -> Mapping[int, list[int]]:
    """Return the places of each call's sections in a new text."""
    rows = session.execute(select(col(Call.name), col(Call.id)))
    calls = {row[0]: row[1] for row in rows if row[1] is not None}
    before = _read_links(session, old)
    targets = _map_targets(old, new)
    headings = find_headings(new, calls)
    prototypes = find_prototypes(new, calls)
    return {
        call_id: _choose_places(
            new, headings.get(name), before.get(call_id, ()), targets
        )
        or [place for place in [prototypes.get(name)] if place is not None]
        for name, call_id in calls.items()
    }


def _read_links(
    session: Session, sections: Sequence[SectionText]
) -> Mapping[int, Sequence[int]]:
    places = {section.id: n for n, section in enumerate(sections)}
    rows = session.execute(
        select(col(CallSection.call_id), col(CallSection.section_id))
        .where(col(CallSection.section_id).in_(list(places)))
        .order_by(col(CallSection.position))
    )
    links: defaultdict[int, list[int]] = defaultdict(list)
    for row in rows:
        links[row[0]].append(places[row[1]])
    return links


def _map_targets(
    old: Sequence[SectionText], new: Sequence[SectionText]
) -> Mapping[int, int]:
    """Return where each old section went; parts that were split off aside."""
    targets: dict[int, int] = {}
    for match in sorted(map_sections(old, new), key=lambda m: -m.score):
        if match.old is not None and match.new is not None:
            targets.setdefault(match.old, match.new)
    return targets


def find_headings(
    sections: Sequence[SectionText], names: Iterable[str]
) -> Mapping[str, int]:
    """Return for a call the first section whose heading names it."""
    return _find_words(
        names, (re.findall(r"\w+", section.title) for section in sections)
    )


def find_prototypes(
    sections: Sequence[SectionText], names: Iterable[str]
) -> Mapping[str, int]:
    """Return for a call the first section with its prototype: `NAME(`."""
    return _find_words(
        names, (re.findall(r"(\w+)\(", section.text) for section in sections)
    )


def _find_words(
    names: Iterable[str], said: Iterable[Sequence[str]]
) -> Mapping[str, int]:
    wanted = frozenset(names)
    found: dict[str, int] = {}
    for place, words in enumerate(said):
        for word in wanted.intersection(words):
            found.setdefault(word, place)
    return found


def _choose_places(
    sections: Sequence[SectionText],
    naming: int | None,
    before: Sequence[int],
    targets: Mapping[int, int],
) -> list[int]:
    """Return the sections of a call; one that contains another gives way."""
    places = [] if naming is None else [naming]
    above = set()
    up = naming
    while up is not None:
        above.add(up)
        up = sections[up].parent
    places += [
        targets[place]
        for place in before
        if place in targets and targets[place] not in above
    ]
    return list(dict.fromkeys(places))
