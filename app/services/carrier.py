"""Carrying anchors into one revision: each text is read once for all.

What is read of an anchor is its original; what a person chose in the revision
before is kept if its words stay.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from app.models import (
    Anchor,
    AnchorState,
    CallSection,
    Revision,
    Section,
)
from app.services.anchoring import (
    CERTAIN,
    Candidate,
    Crossing,
    Method,
    Placing,
    Quote,
)
from app.services.annotation_places import Clause, find_spot
from app.services.annotation_selectors import Selection
from app.services.annotations import make_passage
from app.services.differences import SectionText, map_sections
from app.services.revisions import load_sections
from app.services.texts import Text

FOUND = (AnchorState.exact, AnchorState.moved)


def compute_digest(text: str) -> str:
    """Return the SHA-256 of a clause's text."""
    return hashlib.sha256(text.encode()).hexdigest()


class Placed(NamedTuple):
    """What became of an anchor, and whether a person had chosen it."""

    placing: Placing
    is_chosen: bool = False


class Target(NamedTuple):
    """A text that is no revision yet: its sections, and those of calls."""

    sections: Sequence[SectionText]
    calls: Mapping[int, frozenset[int]]


class Carrier:
    """Carries anchors into one revision; each text is read once.

    Parameters
    ----------
    new_id
        The revision; with a `target` it is not stored, and any number.
    target
        Its text, where anchors are only to be placed.
    """

    def __init__(
        self, session: Session, new_id: int, target: Target | None = None
    ) -> None:
        self.session = session
        self.new_id = new_id
        self.now = datetime.now(UTC)
        self.new = Text(
            target.sections if target else load_sections(session, new_id)
        )
        self.digests = [compute_digest(s.text) for s in self.new.sections]
        self.crossings: dict[int, Crossing] = {}
        self.places: dict[int, Mapping[int, int]] = {}
        self.numbers = _number_revisions(session)
        self.calls = target.calls if target else self._read_calls()

    def _read_calls(self) -> Mapping[int, frozenset[int]]:
        """Return the places of the sections that concern each call."""
        places = {s.id: place for place, s in enumerate(self.new.sections)}
        rows = self.session.execute(
            select(col(CallSection.call_id), col(CallSection.section_id))
            .join(Section, col(Section.id) == col(CallSection.section_id))
            .where(col(Section.revision_id) == self.new_id)
        )
        found: defaultdict[int, set[int]] = defaultdict(set)
        for call_id, section_id in rows:
            found[call_id].add(places[section_id])
        return {call: frozenset(there) for call, there in found.items()}

    def _get_crossing(self, revision_id: int) -> Crossing:
        if revision_id not in self.crossings:
            sections = load_sections(self.session, revision_id)
            self.places[revision_id] = {
                section.id: place for place, section in enumerate(sections)
            }
            self.crossings[revision_id] = Crossing(
                Text(sections),
                self.new,
                map_sections(sections, self.new.sections),
            )
        return self.crossings[revision_id]

    def _make_quote(self, anchor: Anchor, section_id: int) -> Quote:
        return Quote(
            self.places[anchor.revision_id][section_id],
            anchor.start or 0,
            anchor.end or 0,
            anchor.exact,
            anchor.prefix,
            anchor.suffix,
            self.calls.get(anchor.call_id or 0, frozenset()),
        )

    def carry(self, original: Anchor, chosen: Anchor | None) -> Anchor:
        """Return the anchor for the new revision, not yet stored."""
        return self.make(original, chosen, self.place(original, chosen))

    def place(self, original: Anchor, chosen: Anchor | None) -> Placed:
        """Return what became of an anchor; this is what takes its time."""
        is_waiting = original.state not in FOUND
        if original.section_id is None and not is_waiting:
            return Placed(Placing(AnchorState.exact, Method.call, CERTAIN))
        kept = self._keep_chosen(chosen) if chosen else None
        if kept is not None:
            return Placed(kept, is_chosen=True)
        clause = None
        if is_waiting or original.section_id is None:
            clause = self._find_clause(original)
            placing = self._look_again(original, clause)
        else:
            crossing = self._get_crossing(original.revision_id)
            quote = self._make_quote(original, original.section_id)
            clause = crossing.get_clause(quote.section)
            placing = crossing.place(quote)
        is_refused = chosen is not None and chosen.state == AnchorState.orphan
        if is_refused and placing.state == AnchorState.proposed:
            # a person said that it is none of these
            return Placed(
                Placing(
                    AnchorState.orphan,
                    Method.confirmed,
                    placing.score,
                    clause,
                    rivals=placing.rivals,
                ),
                is_chosen=True,
            )
        return Placed(placing)

    def _find_clause(self, original: Anchor) -> int | None:
        """Return what became of the clause that something is pinned to."""
        if original.section_id is None:
            return None
        crossing = self._get_crossing(original.revision_id)
        return crossing.get_clause(
            self.places[original.revision_id][original.section_id]
        )

    def _look_again(self, original: Anchor, clause: int | None) -> Placing:
        """Return where words are now that were not found when they came."""
        if not original.exact.strip():
            return Placing(AnchorState.orphan, Method.clause, 0, clause)
        spot = find_spot(
            [
                Clause(s.id, s.anchor, s.number, s.title, s.text, squeezed)
                for s, squeezed in zip(
                    self.new.sections, self.new.squeezed, strict=True
                )
            ],
            Selection(
                exact=original.exact,
                prefix=original.prefix,
                suffix=original.suffix,
            ),
            clause,
        )
        is_there = spot.state == AnchorState.exact
        return Placing(
            AnchorState.moved if is_there else spot.state,
            Method.search,
            spot.score,
            spot.clause,
            spot.start,
            spot.end,
            spot.rivals,
        )

    def _keep_chosen(self, chosen: Anchor) -> Placing | None:
        """Return where the words that a person chose stand, if unchanged."""
        if chosen.state == AnchorState.orphan or chosen.section_id is None:
            return None
        crossing = self._get_crossing(chosen.revision_id)
        quote = self._make_quote(chosen, chosen.section_id)
        found = (
            crossing.find_unchanged(quote)
            if quote.exact
            else crossing.place(quote)
        )
        if found is None or found.state not in FOUND:
            return None
        return Placing(
            found.state,
            Method.confirmed,
            found.score,
            found.section,
            found.start,
            found.end,
        )

    def make(
        self, original: Anchor, chosen: Anchor | None, placed: Placed
    ) -> Anchor:
        """Return an anchor at its place, not yet stored."""
        placing = placed.placing
        place = placing.section
        section = None if place is None else self.new.sections[place]
        passage = None
        if section is not None and placing.start is not None:
            end = placing.end or placing.start
            passage = make_passage(section.text, placing.start, end)
        return Anchor(
            annotation_id=original.annotation_id,
            thread_id=original.thread_id,
            position=original.position,
            revision_id=self.new_id,
            section_id=section.id if section else None,
            call_id=original.call_id,
            note=original.note,
            state=placing.state,
            method=placing.method.value,
            score=placing.score,
            digest="" if place is None else self.digests[place],
            rivals=[self._describe_rival(one) for one in placing.rivals],
            reviewer_id=chosen.reviewer_id
            if chosen and placed.is_chosen
            else None,
            made_at=self.now,
            **(passage._asdict() if passage else {}),
        )

    def _describe_rival(self, rival: Candidate) -> dict[str, Any]:
        return {
            "section": self.new.sections[rival.section].id,
            "start": rival.start,
            "end": rival.end,
            "score": rival.score,
            "exact": rival.exact,
        }

    def describe(self, original: Anchor, anchor: Anchor) -> Mapping[str, Any]:
        """Return what the log says of an anchor that was carried."""
        anchors = {s.id: s.anchor for s in self.new.sections}
        return {
            "revision": self.numbers[self.new_id],
            "from": self.numbers[original.revision_id],
            "position": anchor.position,
            "section": anchors.get(anchor.section_id or 0),
            "start": anchor.start,
            "end": anchor.end,
            "method": anchor.method,
            "score": anchor.score,
            "rivals": [rival["score"] for rival in anchor.rivals],
            "digest": anchor.digest,
        }


class Key(NamedTuple):
    """What tells an anchor from all others of its revision."""

    annotation_id: str | None
    thread_id: int | None
    position: int


class Basis(NamedTuple):
    """What a place was found from: the original, and what was chosen."""

    original: tuple[Any, ...]
    chosen: tuple[Any, ...] | None


class Foreseen(NamedTuple):
    """Where the anchors will be in a text that may follow a revision."""

    old_id: int
    text: str
    placed: Mapping[Key, tuple[Basis, Placed]]

    def get(self, original: Anchor, chosen: Anchor | None) -> Placed | None:
        """Return a place, unless something it was found from has changed."""
        found = self.placed.get(get_key(original))
        if found is None or found[0] != make_basis(original, chosen):
            return None
        return found[1]


def get_key(anchor: Anchor) -> Key:
    """Return what tells an anchor from others."""
    return Key(anchor.annotation_id, anchor.thread_id, anchor.position)


def make_basis(original: Anchor, chosen: Anchor | None) -> Basis:
    """Return all that a place is found from, beside the texts."""
    said = None if chosen is None else _say_place(chosen)
    return Basis(_say_place(original), said)


def _say_place(anchor: Anchor) -> tuple[Any, ...]:
    return (
        *(anchor.revision_id, anchor.section_id, anchor.call_id),
        *(anchor.state, anchor.method, anchor.start, anchor.end),
        *(anchor.exact, anchor.prefix, anchor.suffix),
    )


def _number_revisions(session: Session) -> Mapping[int, int]:
    rows = session.execute(select(col(Revision.id), col(Revision.number)))
    return {row[0]: row[1] for row in rows if row[0] is not None}
