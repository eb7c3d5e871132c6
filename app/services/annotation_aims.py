"""What an annotation speaks of in this review: posts, clauses, calls.

A target that names none of these, as a foreign IRI or a run, is kept in the
document alone. A target within the document has a point for an anchor, found
by its selectors; one on a thread or a post makes the annotation a reply.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session
from sqlmodel import SQLModel, col

from app.models import (
    AnchorState,
    Call,
    CallSection,
    Motivation,
    Revision,
    Section,
    ThreadState,
)
from app.services.anchoring import CERTAIN
from app.services.annotation_places import (
    Clause,
    Spot,
    find_spot,
)
from app.services.annotation_reading import Checked, Target
from app.services.annotation_selectors import Selection
from app.services.annotations import OPENER, Passage, make_passage
from app.services.clauses import read_clauses
from app.services.revisions import select_newest_id

SUFFIXES = (".json", ".jsonld", ".md", ".html")
"""Forms of a page that is spoken of, whichever was read."""

_PATH = re.compile(r"(/[^?#]*)(?:\?[^#]*)?(?:#(.*))?", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,9}")
# put together once: it is asked for each time
_EDITIONS = select(col(Revision.id), col(Revision.number)).limit(1)
_NEWEST = _EDITIONS.where(col(Revision.id) == select_newest_id())


_TABLES = SQLModel.metadata.tables
_NOTES, _THREADS = _TABLES["annotation"].c, _TABLES["thread"].c
_POSTS = _TABLES["annotation"].alias()
_LAST = (
    select(func.max(_POSTS.c.position))
    .where(_POSTS.c.thread_id == _THREADS.id)
    .correlate(_TABLES["thread"])
    .scalar_subquery()
)
_THREAD = select(_THREADS.id, _THREADS.slug, _THREADS.state, _LAST).where(
    _THREADS.slug.in_((bindparam("slug"), bindparam("page")))
)
_PARENT = (
    select(
        *(_NOTES.thread_id, _THREADS.slug, _THREADS.state, _LAST),
        *(_NOTES.id, _NOTES.position),
    )
    .select_from(
        _TABLES["annotation"].outerjoin(
            _TABLES["thread"], _THREADS.id == _NOTES.thread_id
        )
    )
    .where(_NOTES.id == bindparam("id"))
)


class Edition(NamedTuple):
    """The revision that was read."""

    id: int
    number: int
    is_newest: bool


class Point(NamedTuple):
    """A place in the document, or a call, that a target names.

    `clause` is the section; of an orphan the one it is pinned to, if any.
    `passage` is what it quotes: of a sure place as it stands in the text, of
    others as the client said. `section` and `call` are their names.
    """

    edition: Edition
    clause: Clause | None
    call_id: int | None
    call: str | None
    spot: Spot
    passage: Passage | None
    rivals: Sequence[Mapping[str, Any]] = ()
    """Where else it may be; sections are rows."""

    @property
    def section(self) -> str | None:
        """Return the anchor of the section."""
        return self.clause.anchor if self.clause else None


class Aim(NamedTuple):
    """What an annotation speaks of; `thread` is a slug.

    `state` is how that stands, and `last` the number of its newest post, if
    it has any; `answers_opener` says that `parent` is what opened it.
    """

    thread_id: int | None = None
    thread: str | None = None
    state: ThreadState | None = None
    last: int | None = None
    parent: str | None = None
    answers_opener: bool = False
    points: Sequence[Point] = ()


def find_aim(session: Session, checked: Checked) -> Aim:
    """Return what an annotation speaks of."""
    finder = _Finder(session)
    aim = Aim()
    points: list[Point] = []
    targets = list(checked.targets)
    if Motivation.linking in checked.motivations:
        targets += checked.links
    for target in targets:
        noun, rest, fragment = _split(target.source)
        if noun == "document":
            points += finder.find_in_document(target, rest, fragment)
        elif noun == "calls" and rest:
            points += finder.find_call(target, rest)
        elif aim.thread_id is None and aim.parent is None and rest:
            if noun == "threads":
                aim = _find_thread(session, rest)
            elif noun == "annotations":
                aim = _find_parent(session, rest.rpartition("/")[2])
    return aim._replace(points=points)


def _split(source: str) -> tuple[str, str, str | None]:
    """Return the noun of a path of this site, its rest and fragment."""
    found = _PATH.fullmatch(source)
    if found is None:
        return "", "", None
    noun, _, rest = unquote(found[1])[1:].partition("/")
    if "\0" in rest:
        # PostgreSQL knows no text with a NUL in it
        return "", "", None
    fragment = found[2]
    return noun, rest.strip("/"), unquote(fragment) if fragment else None


def _cut_suffix(name: str) -> str:
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _find_thread(session: Session, slug: str) -> Aim:
    wanted = {"slug": slug, "page": _cut_suffix(slug)}
    row = session.connection().execute(_THREAD, wanted).first()
    return Aim(*row) if row else Aim()


def _find_parent(session: Session, id_: str) -> Aim:
    row = session.connection().execute(_PARENT, {"id": id_}).first()
    return Aim(*row[:-1], row.position == OPENER) if row else Aim()


class _Finder:
    """Finds points."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find_in_document(
        self, target: Target, rest: str, fragment: str | None
    ) -> list[Point]:
        """Return the point that a target in the document names."""
        selection = target.selection
        edition, name = self._find_edition(rest, selection.at)
        if edition is None:
            return []
        clauses = read_clauses(self.session, edition.id)
        names = [n for n in (selection.fragment, fragment, name) if n]
        named = None
        for one in names:
            if named is None:
                named = _find_named(clauses, one)
        if clauses and not names and selection.is_empty:
            # what is said of the whole stands beside its title
            named = 0
        spot = find_spot(clauses, selection, named)
        return [self._make_point(edition, clauses, selection, spot)]

    def _find_edition(
        self, rest: str, at: datetime | None
    ) -> tuple[Edition | None, str]:
        """Return the revision that was read, and the section's name."""
        first, _, name = rest.partition("/")
        chosen = None
        if first == "revisions" and name:
            number = _NUMBER.match(name)
            name = name.partition("/")[2]
            if number:
                chosen = _EDITIONS.where(
                    col(Revision.number) == int(number.group())
                )
        else:
            name = _cut_suffix(rest)
            if at is not None:
                chosen = _EDITIONS.where(
                    col(Revision.is_reference).is_(False),
                    col(Revision.dated_on) <= f"{at:%Y-%m-%d}",
                    func.coalesce(col(Revision.created_at), at) <= at,
                ).order_by(col(Revision.number).desc())
        newest = self.session.execute(_NEWEST).first()
        if newest is None:
            return None, name
        row = newest
        if chosen is not None:
            row = self.session.execute(chosen).first() or newest
        return Edition(row[0] or 0, row[1], row[0] == newest[0]), name

    def _make_point(
        self,
        edition: Edition,
        clauses: Sequence[Clause],
        selection: Selection,
        spot: Spot,
    ) -> Point:
        clause = None if spot.clause is None else clauses[spot.clause]
        passage = _make_passage(clause, selection, spot)
        call_id, call = self._find_concerned(clause, passage)
        return Point(
            edition,
            clause,
            call_id,
            call,
            spot,
            passage,
            [
                {**rival._asdict(), "section": clauses[rival.section].id}
                for rival in spot.rivals
            ],
        )

    def _find_concerned(
        self, clause: Clause | None, passage: Passage | None
    ) -> tuple[int | None, str | None]:
        """Return the one call that the words name, or that a clause is of."""
        if passage is not None:
            words = set(re.findall(r"\w+", passage.exact))
            named = self.session.execute(
                select(col(Call.id), col(Call.name))
                .where(col(Call.name).in_(words))
                .limit(2)
            ).all()
            if len(named) == 1:
                return named[0][0], named[0][1]
        if clause is None:
            return None, None
        rows = self.session.execute(
            select(col(Call.id), col(Call.name))
            .join(CallSection, col(CallSection.call_id) == col(Call.id))
            .where(
                col(CallSection.section_id) == clause.id,
                col(CallSection.position) == 0,
            )
            .limit(2)
        ).all()
        return (rows[0][0], rows[0][1]) if len(rows) == 1 else (None, None)

    def find_call(self, target: Target, name: str) -> list[Point]:
        """Return the point on a call; its quote is looked for in its clause.

        The words of a call's page that are not of the document are kept as
        they were quoted.
        """
        row = self.session.execute(
            select(col(Call.id), col(Call.name)).where(
                col(Call.name).in_((name, _cut_suffix(name)))
            )
        ).first()
        edition, _ = self._find_edition("", target.selection.at)
        if row is None or edition is None:
            return []
        selection = target.selection
        if not selection.exact.strip():
            spot = Spot(AnchorState.exact, CERTAIN, None)
            return [Point(edition, None, *row, spot, None)]
        clauses = read_clauses(self.session, edition.id)
        section_id = self.session.scalar(
            select(col(CallSection.section_id))
            .join(Section, col(Section.id) == col(CallSection.section_id))
            .where(
                col(CallSection.call_id) == row[0],
                col(CallSection.position) == 0,
                col(Section.revision_id) == edition.id,
            )
            .limit(1)
        )
        named = next(
            (n for n, c in enumerate(clauses) if c.id == section_id), None
        )
        spot = find_spot(clauses, selection, named)
        found = self._make_point(edition, clauses, selection, spot)
        return [found._replace(call_id=row[0], call=row[1])]


def _find_named(clauses: Sequence[Clause], name: str) -> int | None:
    """Return the place of a clause, by its anchor, a block's, or number."""
    for known in (name, name.rpartition(".")[0]):
        for place, clause in enumerate(clauses):
            if known and known in (clause.anchor, clause.number):
                return place
    return None


def _make_passage(
    clause: Clause | None, selection: Selection, spot: Spot
) -> Passage | None:
    is_sure = spot.state in (AnchorState.exact, AnchorState.moved)
    if clause is not None and is_sure and spot.start is not None:
        return make_passage(clause.text, spot.start, spot.end or spot.start)
    if is_sure or not selection.exact.strip():
        if clause is None or spot.start is None:
            return None
        return make_passage(clause.text, spot.start, spot.end or spot.start)
    return Passage(
        spot.start if spot.start is not None else 0,
        spot.end if spot.end is not None else 0,
        selection.exact,
        selection.prefix,
        selection.suffix,
    )
